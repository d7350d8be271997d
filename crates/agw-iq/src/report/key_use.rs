//! What keys have been used for.

use std::time::Instant;

use agw_srtp::{KeyCount, KeyStanding, KeyUse, Mki};

use super::milliseconds;
use crate::convert::suite_to_wire;
use crate::pb;

pub(super) fn key_use(key: &KeyUse, now: Instant) -> pb::KeyUse {
    let KeyUse { standing, mki, suite, srtp, srtcp, until } = key;
    pb::KeyUse {
        standing: key_standing(*standing).into(),
        mki: mki.as_ref().map(Mki::as_slice).unwrap_or_default().to_vec(),
        suite: suite_to_wire(*suite).into(),
        srtp: Some(key_count(*srtp)),
        srtcp: Some(key_count(*srtcp)),
        opens_for_ms: until.map(|until| milliseconds(until.saturating_duration_since(now))),
    }
}

const fn key_standing(standing: KeyStanding) -> pb::KeyStanding {
    match standing {
        KeyStanding::InForce => pb::KeyStanding::InForce,
        KeyStanding::Staged => pb::KeyStanding::Staged,
        KeyStanding::Replaced => pb::KeyStanding::Replaced,
    }
}

const fn key_count(count: KeyCount) -> pb::KeyCount {
    let KeyCount { packets, until_warning, until_stop } = count;
    pb::KeyCount { packets, until_warning, until_stop }
}
