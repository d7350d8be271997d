//! The keys that all members of a group send under (TR 33.829 §5.3.2.1.1): the same change reaches
//! every member's receiving state, those that join later included.
//!
//! A staged key with an identifier comes in force for each member by itself, at its first packet
//! that carries it; for all others when it is activated. Until then a member that has begun with it
//! can be put back.

use std::time::{Duration, Instant};

use agw_rtp::Ssrc;
use agw_srtp::{Engine, IngressKey, RocOnRekey, SessionParameters};

use crate::group::Member;
use crate::relay::{ApplyError, Relay};
use crate::report::Report;
use crate::spec::{CallId, EgressId, IngressCrypto, IngressId, initial_roc};

/// Keys that open what members send; wiped with the group.
#[derive(Debug)]
pub(crate) struct MemberKeys {
    keys: Vec<IngressKey>,
    staged: Option<StagedKey>,
    parameters: SessionParameters,
    roc: u32,
}

/// A key that waits.
#[derive(Debug)]
struct StagedKey {
    key: IngressKey,
    number: u32,
    /// A member that has left since may have begun with it.
    in_doubt: bool,
}

impl MemberKeys {
    /// Takes a change; tells whether other keys are in force than before.
    pub(crate) fn change(member_keys: &mut Option<Self>, change: IngressCrypto) -> bool {
        match change {
            IngressCrypto::Install { keys, parameters, roc, overlap: _ } => {
                if let Some(before) = member_keys.as_mut().filter(|before| before.has(&keys)) {
                    // Told again: lifetimes and parameters are taken, nothing starts anew.
                    (before.keys, before.parameters) = (keys, parameters);
                    return false;
                }
                let roc = match (roc, &member_keys) {
                    (RocOnRekey::Keep | RocOnRekey::Auto, Some(before)) => before.roc,
                    (roc, _) => initial_roc(roc),
                };
                *member_keys = Some(Self { keys, staged: None, parameters, roc });
                true
            }
            IngressCrypto::Stage(key, number) => {
                if let Some(member_keys) = member_keys {
                    member_keys.staged = Some(StagedKey { key, number, in_doubt: false });
                }
                false
            }
            IngressCrypto::Activate { roc, overlap: _ } => {
                let Some(Self { keys, staged, roc: at, .. }) = member_keys else {
                    return false;
                };
                keys.splice(.., staged.take().map(|staged| staged.key));
                let goes_on = matches!(roc, RocOnRekey::Keep | RocOnRekey::Auto);
                *at = if goes_on { *at } else { initial_roc(roc) };
                true
            }
            IngressCrypto::Cancel => {
                if let Some(member_keys) = member_keys {
                    member_keys.staged = None;
                }
                false
            }
            IngressCrypto::Remove => {
                *member_keys = None;
                false
            }
        }
    }

    /// What a member that joins needs to send under the group's key.
    fn for_joining(&self) -> impl Iterator<Item = IngressCrypto> {
        let staged = self
            .staged
            .as_ref()
            .map(|staged| IngressCrypto::Stage(staged.key.for_another_member(), staged.number));
        std::iter::once(self.install(RocOnRekey::Set(self.roc))).chain(staged)
    }

    /// Puts the keys in force, and no other ones.
    fn install(&self, roc: RocOnRekey) -> IngressCrypto {
        IngressCrypto::Install {
            keys: self.keys.iter().map(IngressKey::for_another_member).collect(),
            parameters: self.parameters,
            roc,
            overlap: Duration::ZERO,
        }
    }

    /// The keys that packets may come under from now on, the one that waits last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &IngressKey> {
        self.keys.iter().chain(self.staged.iter().map(|staged| &staged.key))
    }

    /// Whether these are the keys in force, in the same order under the same identifiers.
    fn has(&self, keys: &[IngressKey]) -> bool {
        let is_same = |(one, other): (&IngressKey, &IngressKey)| {
            one.mki == other.mki
                && one.master.suite() == other.master.suite()
                && bool::from(one.master.ct_eq(&other.master))
        };
        self.keys.len() == keys.len() && self.keys.iter().zip(keys).all(is_same)
    }

    /// The number of the staged key, if packets could put it in force.
    fn staged_number(&self) -> Option<u32> {
        let staged = self.staged.as_ref().filter(|staged| staged.key.mki.is_some());
        staged.map(|staged| staged.number)
    }

    /// Whether a member may send under another key than the one in force for all.
    pub(crate) fn may_begin_early(&self) -> bool {
        self.staged_number().is_some()
    }

    /// Takes note that a member has left.
    pub(crate) fn doubt(&mut self) {
        self.staged.iter_mut().for_each(|staged| staged.in_doubt = true);
    }

    /// What becomes of the staged key.
    fn fate(&self, change: &IngressCrypto) -> Fate {
        match change {
            IngressCrypto::Install { keys, .. } if self.has(keys) => Fate::Waits,
            IngressCrypto::Install { .. } | IngressCrypto::Remove => Fate::Superseded,
            IngressCrypto::Activate { .. } => Fate::InForce,
            IngressCrypto::Stage(..) | IngressCrypto::Cancel => Fate::Withdrawn,
        }
    }
}

/// What a change makes of a key that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It waits on.
    Waits,
    /// It comes in force for all.
    InForce,
    /// Other keys come in force for all.
    Superseded,
    /// The keys in force stay so for all.
    Withdrawn,
}

impl<E: Engine> Relay<E> {
    /// Changes the keys that all members of a group send under.
    pub(crate) fn change_group_ingress(
        &mut self,
        call: CallId,
        id: EgressId,
        change: IngressCrypto,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let unknown = || ApplyError::UnknownEgress(id);
        let egress = self.egresses.at(id.0).ok_or_else(unknown)?;
        let members = egress.group_spec().ok_or_else(unknown)?.members.clone();
        let before = egress.group().and_then(|group| group.member_keys());
        let fate = before.map_or(Fate::Waits, |keys| keys.fate(&change));
        let back = before.map(|keys| keys.install(RocOnRekey::Keep));
        let staged = before.and_then(MemberKeys::staged_number);
        let mut is_used = before.is_some_and(|keys| keys.staged.iter().any(|key| key.in_doubt));
        //= tests/spec/group.md#re-key
        //# A re-key of a group MUST reach the sending state and every member's receiving state at
        //# once, and replaced member keys MUST open packets until the overlap ends.
        for Member { ingress, .. } in members {
            let has_begun = staged.is_some_and(|number| !self.waits_for(ingress, number));
            is_used |= has_begun;
            match (fate, &back) {
                (Fate::Waits, _) if has_begun => continue,
                //= tests/spec/group.md#re-key
                //# A member that has begun with a staged key MUST be put back when it is withdrawn.
                (Fate::Withdrawn, Some(back)) if has_begun => {
                    self.apply_ingress_crypto(call, ingress, back.for_another_member(), now)?;
                }
                (Fate::Waits | Fate::InForce | Fate::Superseded | Fate::Withdrawn, _) => {}
            }
            self.apply_ingress_crypto(call, ingress, change.for_another_member(), now)?;
        }
        let is_discarded = matches!(fate, Fate::Superseded | Fate::Withdrawn) && !is_used;
        if let (true, Some(number)) = (is_discarded, staged) {
            self.reports.push(Report::StagedKeyDiscarded(IngressId(id.0), number));
        }
        let egress = self.egresses.at_mut(id.0).ok_or_else(unknown)?;
        let sealed: Vec<Ssrc> = egress.sealed_ssrcs().collect();
        let (spec, group) = egress.group_mut().ok_or_else(unknown)?;
        group.change_member_keys(change);
        if spec.seals_in_domain {
            // Under a key that was the gateway's before it was the members'.
            sealed.into_iter().for_each(|ssrc| group.note_sealed(ssrc));
        }
        egress.share_keys();
        Ok(())
    }

    /// Whether a staged key waits at an ingress.
    fn waits_for(&self, ingress: IngressId, number: u32) -> bool {
        let ingress = self.ingresses.at(ingress.0);
        ingress.is_none_or(|ingress| ingress.staged_number() == Some(number))
    }

    /// Gives the keys that members send under to those that have joined.
    pub(crate) fn welcome(
        &mut self,
        call: CallId,
        id: EgressId,
        joined: &[Member],
        now: Instant,
    ) -> Result<(), ApplyError> {
        for &member in joined {
            let group = self.egresses.at(id.0).and_then(|egress| egress.group());
            let keys: Vec<IngressCrypto> = group
                .and_then(|group| group.member_keys())
                .map(|keys| keys.for_joining().collect())
                .unwrap_or_default();
            for change in keys {
                self.apply_ingress_crypto(call, member.ingress, change, now)?;
            }
        }
        Ok(())
    }
}

impl IngressCrypto {
    /// The same change for another member of a group.
    fn for_another_member(&self) -> Self {
        match self {
            Self::Install { keys, parameters, roc, overlap } => Self::Install {
                keys: keys.iter().map(IngressKey::for_another_member).collect(),
                parameters: *parameters,
                roc: *roc,
                overlap: *overlap,
            },
            Self::Stage(key, number) => Self::Stage(key.for_another_member(), *number),
            Self::Activate { roc, overlap } => Self::Activate { roc: *roc, overlap: *overlap },
            Self::Cancel => Self::Cancel,
            Self::Remove => Self::Remove,
        }
    }
}
