//! What the model knows of keys, and how keys are told again.

use std::collections::BTreeSet;

use agw_context::Direction;
use agw_srtp::Suite;

use crate::plan::{CryptoPlan, KeyPlan};

/// How keys differ that are told again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Twist {
    Same,
    OtherOrder,
    OtherSalt,
    OtherMki,
    OtherSuite,
    OneOfThem,
    OneMore,
}

/// The keys of one direction as they should be.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) in_force: Vec<KeyPlan>,
    pub(crate) staged: Option<KeyPlan>,
    pub(crate) used: BTreeSet<u8>,
}

pub(crate) const TWISTS: [Twist; 7] = [
    Twist::Same,
    Twist::OtherOrder,
    Twist::OtherSalt,
    Twist::OtherMki,
    Twist::OtherSuite,
    Twist::OneOfThem,
    Twist::OneMore,
];

impl Twist {
    pub(crate) fn apply(self, keys: &mut Vec<KeyPlan>) {
        match self {
            Self::Same => {}
            Self::OtherOrder => keys.reverse(),
            Self::OtherSalt => keys[0].salt += 1,
            Self::OtherMki => {
                keys.iter_mut().for_each(|key| key.mki = key.mki.map(|(n, m)| (n, m + 1)))
            }
            Self::OtherSuite => {
                keys.iter_mut().for_each(|key| key.suite = Suite::AesCm128HmacSha1_32);
            }
            Self::OneOfThem => keys.truncate(1),
            Self::OneMore => {
                let more = KeyPlan { seed: 99, mki: keys[0].mki.map(|(n, _)| (n, 200)), ..keys[0] };
                keys.push(more);
            }
        }
    }
}

impl Held {
    /// The very same keys change nothing; others take the place of what waits.
    pub(crate) fn install(&mut self, plan: &CryptoPlan) {
        if self.in_force != plan.keys {
            self.in_force.clone_from(&plan.keys);
            self.staged = None;
            self.used.extend(plan.keys.iter().map(|key| key.seed));
        }
    }

    /// What may have been in force when the stream ends: nobody tells any more whether a packet with
    /// the identifier of the key that waits came first.
    pub(crate) fn ended(self, direction: Direction) -> BTreeSet<u8> {
        let marked = self.staged.filter(|key| key.mki.is_some());
        let staged = marked.filter(|_| direction == Direction::Ingress);
        self.used.into_iter().chain(staged.map(|key| key.seed)).collect()
    }

    pub(crate) fn activate(&mut self) {
        let key = self.staged.take().expect("control activates what is staged");
        self.in_force = vec![key];
        self.used.insert(key.seed);
    }
}
