//! The IMS-ALG: whether it is offered over gRPC, and what it does with session descriptions.

use serde::{Deserialize, Serialize};

use agw_sdes::Mode;
use agw_sdp::{AlgPolicy, OtherMedia};

use super::Policy;
use super::check::Rules;

/// The IMS-ALG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alg {
    /// Whether `agw.alg.v1` is served beside `agw.iq.v1`.
    pub enabled: bool,
    /// Whether keys may be exchanged over signalling that nobody protects (RFC 4568 §8.3,
    /// TS 33.328 §6.2.1.2).
    pub allow_unprotected_signalling: bool,
    /// Whether `o=` lines show the gateway's address in place of their author's.
    pub hide_origin: bool,
    /// Whether crypto lines must keep to the grammar of RFC 4568 to the letter.
    pub strict: bool,
    /// What becomes of media lines that are not RTP.
    pub other_media: OtherMediaLines,
    /// The most branches of a forked call, 1 to 64.
    pub max_branches: usize,
    /// UEs with which the protection of media was agreed when they registered, at most; a tenth of
    /// it besides is for registrations under way. A UE takes about half a kB. 0 to 10,000,000.
    pub max_registrations: usize,
}

/// What becomes of media lines that are not RTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherMediaLines {
    /// They are offered with port 0.
    #[default]
    Decline,
    /// They go past the gateway as they are.
    PassBy,
}

impl Default for Alg {
    fn default() -> Self {
        Self {
            enabled: true,
            allow_unprotected_signalling: false,
            hide_origin: true,
            strict: false,
            other_media: OtherMediaLines::Decline,
            max_branches: 8,
            max_registrations: 100_000,
        }
    }
}

impl Alg {
    /// A context has so many terminations at most, if there are calls by session descriptions.
    pub(super) fn check(&self, terminations: Option<usize>, rules: &mut Rules) {
        rules.within("alg.max_branches", self.max_branches as u64, 1..=64);
        // Caller and branches, and as many again for the media lines that are added on each.
        let least = self.max_branches.min(64) * 2 + 2;
        rules.must(
            terminations.is_none_or(|terminations| terminations < 2 || terminations >= least),
            "alg.max_branches",
            format!("takes limits.terminations of at least 2 * (1 + max_branches) = {least}"),
        );
        let registrations = self.max_registrations as u64;
        rules.within("alg.max_registrations", registrations, 0..=10_000_000);
    }

    /// What holds for every call, beside what controllers may ask for.
    pub(super) fn policy(&self, allowed: &Policy) -> AlgPolicy {
        AlgPolicy {
            mode: if self.strict { Mode::Strict } else { Mode::Tolerant },
            sdes: agw_sdes::Policy {
                allow_unencrypted: allowed.allow_unencrypted,
                allow_null: allowed.allow_null,
                allow_f8: allowed.allow_f8,
            },
            allow_unprotected_signalling: self.allow_unprotected_signalling,
            hides_origin: self.hide_origin,
            other_media: match self.other_media {
                OtherMediaLines::Decline => OtherMedia::Decline,
                OtherMediaLines::PassBy => OtherMedia::PassBy,
            },
            max_branches: self.max_branches,
        }
    }
}
