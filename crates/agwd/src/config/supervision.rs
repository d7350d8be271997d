//! When the gateway asks about calls, and when it releases them unasked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use agw_context::SupervisionPolicy;

use super::check::Rules;
use crate::ng;

/// Heartbeats, lost controllers, orphans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Supervision {
    /// How long a controller may take to answer a heartbeat, in milliseconds.
    pub heartbeat_answer_ms: u64,
    /// Heartbeats in a row that stay unanswered before a termination hangs.
    pub heartbeat_misses: u32,
    /// What becomes of a termination that hangs.
    pub hanging: Hanging,
    /// With [`Hanging::ReleaseIfSilent`], how long it must have been silent, in milliseconds.
    pub hanging_silence_ms: u64,
    /// How long a controller may be without a connection before its contexts are orphans, in
    /// milliseconds.
    pub controller_lost_ms: u64,
    /// An orphan is released when nothing authentic has arrived for so long, in milliseconds.
    pub orphan_silence_ms: u64,
    /// An orphan is released after so long in any case, in milliseconds.
    pub orphan_limit_ms: u64,
    /// A call over `ng` is released when neither a request nor anything authentic has come for so
    /// long, in milliseconds; 0 is never.
    pub ng_silence_ms: u64,
    /// Trust domains, as prefixes of identities: within one, controllers may take over each
    /// other's orphans.
    pub adoption: Vec<String>,
}

/// What becomes of a termination that hangs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hanging {
    /// It is released at once.
    Release,
    /// It is released when nothing authentic has arrived at it for a while.
    #[default]
    ReleaseIfSilent,
    /// It stays.
    Keep,
}

impl Default for Supervision {
    fn default() -> Self {
        Self {
            heartbeat_answer_ms: 10_000,
            heartbeat_misses: 3,
            hanging: Hanging::ReleaseIfSilent,
            hanging_silence_ms: 60_000,
            controller_lost_ms: 60_000,
            orphan_silence_ms: 60_000,
            orphan_limit_ms: 21_600_000,
            ng_silence_ms: 3_600_000,
            adoption: Vec::new(),
        }
    }
}

impl Supervision {
    /// As the control model takes it.
    pub(super) fn policy(&self) -> SupervisionPolicy {
        let ms = Duration::from_millis;
        SupervisionPolicy {
            heartbeat_answer: ms(self.heartbeat_answer_ms),
            heartbeat_misses: self.heartbeat_misses,
            hanging: match self.hanging {
                Hanging::Release => agw_context::Hanging::Release,
                Hanging::ReleaseIfSilent => {
                    agw_context::Hanging::ReleaseIfSilent(ms(self.hanging_silence_ms))
                }
                Hanging::Keep => agw_context::Hanging::Keep,
            },
            controller_lost: ms(self.controller_lost_ms),
            orphan_silence: ms(self.orphan_silence_ms),
            orphan_limit: ms(self.orphan_limit_ms),
            silence: (self.ng_silence_ms > 0)
                .then(|| (ng::controller(), ms(self.ng_silence_ms)))
                .into_iter()
                .collect(),
            adoption: self.adoption.clone(),
        }
    }

    pub(super) fn check(&self, rules: &mut Rules) {
        const DAY: u64 = 86_400_000;
        let times = [
            ("supervision.heartbeat_answer_ms", self.heartbeat_answer_ms, 100..=600_000),
            ("supervision.heartbeat_misses", self.heartbeat_misses.into(), 1..=100),
            ("supervision.hanging_silence_ms", self.hanging_silence_ms, 100..=DAY),
            ("supervision.controller_lost_ms", self.controller_lost_ms, 100..=DAY),
            ("supervision.orphan_silence_ms", self.orphan_silence_ms, 100..=DAY),
            ("supervision.orphan_limit_ms", self.orphan_limit_ms, 100..=7 * DAY),
            ("supervision.ng_silence_ms", self.ng_silence_ms, 0..=7 * DAY),
        ];
        for (key, value, range) in times {
            rules.within(key, value, range);
        }
        rules.must(
            self.orphan_silence_ms <= self.orphan_limit_ms,
            "supervision.orphan_silence_ms",
            "must not be above supervision.orphan_limit_ms",
        );
        let is_name = |name: &String| {
            (1..=255).contains(&name.len())
                && name.bytes().all(|octet| octet.is_ascii_graphic())
                && name.bytes().any(|octet| octet != b'/')
        };
        rules.must(
            self.adoption.iter().all(is_name),
            "supervision.adoption",
            "must be prefixes of identities, 1 to 255 visible ASCII characters each",
        );
    }
}
