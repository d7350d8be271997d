//! On what terms keys are in force, kept so that an audit tells them.

use std::time::Duration;

use agw_srtp::{Lifetime, SessionParameters, Suite};

use crate::checks::Key;
use crate::command::CryptoContext;

/// What was told with keys besides the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    /// What both ends agreed on.
    pub(crate) parameters: SessionParameters,
    /// How long the keys that these replaced still open packets, if a command said so.
    pub(crate) overlap: Option<Duration>,
    /// How many packets each key may serve, in the order of the keys.
    pub(crate) lifetimes: Vec<Lifetime>,
}

impl Terms {
    /// The terms of keys that come with everything.
    pub(crate) fn of<K: Key>(crypto: &CryptoContext<K>) -> Self {
        Self {
            parameters: crypto.parameters,
            overlap: crypto.overlap,
            lifetimes: crypto.keys.iter().map(Key::lifetime).collect(),
        }
    }

    /// The terms of `keys` keys of a suite with which nothing was told.
    pub(crate) fn default_of(suite: Suite, keys: usize) -> Self {
        Self {
            parameters: SessionParameters::default(),
            overlap: None,
            lifetimes: vec![suite.default_lifetime(); keys],
        }
    }

    /// As a direction keeps them: nothing if nothing was told.
    pub(crate) fn kept(self, suite: Suite) -> Option<Box<Self>> {
        (self != Self::default_of(suite, self.lifetimes.len())).then(|| Box::new(self))
    }
}
