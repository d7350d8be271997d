//! The calls of a window: who talks to whom, under which keys, and when keys change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use agw_srtp::Suite;
use anyhow::bail;
use rand::Rng;
use zeroize::Zeroizing;

use crate::plan::Traffic;
use crate::target::{CallKeys, CallSpec};

/// How long a call is on hold.
pub(crate) const HOLD: Duration = Duration::from_secs(1);
/// A call gets new keys at most this often: overlaps must be over.
const REKEY_APART: f64 = 3.0;

/// So many calls in a row have the same peers, so that bursts leave together.
const RUN: u64 = 32;

/// Where the generator's sockets are; calls use them in turn.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    /// Those of the access side.
    pub(crate) access: Vec<SocketAddr>,
    /// Those of the core side.
    pub(crate) core: Vec<SocketAddr>,
}

/// The calls of a window.
#[derive(Debug)]
pub(crate) struct Calls {
    /// Every call, by its number in the window.
    pub(crate) specs: Vec<Arc<CallSpec>>,
    /// The changes of keys, by time.
    pub(crate) rekeys: Vec<Rekey>,
    /// The holds, by time.
    pub(crate) holds: Vec<Hold>,
}

/// A change of keys.
#[derive(Debug, Clone)]
pub(crate) struct Rekey {
    /// The call.
    pub(crate) call: u32,
    /// When the gateway is asked, from the start of the window.
    pub(crate) at: Duration,
    /// The new keys.
    pub(crate) keys: Arc<CallKeys>,
}

/// A hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hold {
    /// The call.
    pub(crate) call: u32,
    /// When it begins, from the start of the window.
    pub(crate) at: Duration,
}

impl Calls {
    /// Calls with fresh keys.
    ///
    /// # Errors
    /// More changes than there are calls for, by the option's name.
    pub(crate) fn new(traffic: &Traffic, peers: &Peers) -> anyhow::Result<Self> {
        let churn = traffic.churn;
        let calls = f64::from(traffic.calls);
        if churn.rekeys * REKEY_APART > calls {
            bail!("--churn-rekeys {}: at most a third of the calls a second", churn.rekeys);
        }
        if churn.holds * HOLD.as_secs_f64() * 2.0 > calls {
            bail!("--churn-holds {}: at most half of the calls a second", churn.holds);
        }
        let specs: Vec<_> =
            traffic.suites.iter().map(|suite| Arc::new(spec(*suite, peers))).collect();
        let rekeys = moments(churn.rekeys, traffic.duration)
            .zip((0..traffic.calls).cycle())
            .filter_map(|(at, call)| {
                let suite = traffic.suites.get(call as usize).copied().flatten()?;
                Some(Rekey { call, at, keys: Arc::new(keys(suite)) })
            })
            .collect();
        let holds = moments(churn.holds, traffic.duration.saturating_sub(HOLD))
            .zip((0..traffic.calls).rev().cycle())
            .map(|(at, call)| Hold { call, at })
            .collect();
        Ok(Self { specs, rekeys, holds })
    }
}

/// A call between the next peers in turn.
pub(crate) fn spec(suite: Option<Suite>, peers: &Peers) -> CallSpec {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let peer = |of: &[SocketAddr]| {
        let place = usize::try_from(number / RUN).unwrap_or_default() % of.len().max(1);
        of.get(place).copied().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
    };
    CallSpec {
        number,
        keys: suite.map(keys),
        access_peer: peer(&peers.access),
        core_peer: peer(&peers.core),
    }
}

fn keys(suite: Suite) -> CallKeys {
    let fresh = || {
        let mut octets = Zeroizing::new(vec![0; suite.key_len() + suite.salt_len()]);
        rand::rng().fill_bytes(&mut octets);
        octets
    };
    CallKeys { suite, ingress: fresh(), egress: fresh() }
}

/// Moments at a rate a second, each in the middle of its stretch.
fn moments(rate: f64, within: Duration) -> impl Iterator<Item = Duration> {
    let count = (rate * within.as_secs_f64()) as u32;
    (0..count).map(move |place| Duration::from_secs_f64((f64::from(place) + 0.5) / rate))
}
