//! What the operator allows.

use std::net::SocketAddr;
use std::time::Duration;

use agw_srtp::Suite;

use crate::admission::Admission;
use crate::supervision::SupervisionPolicy;

/// Limits and permissions of the gateway, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The most contexts at a time.
    pub max_contexts: usize,
    /// Who may have how much of what there is.
    pub admission: Admission,
    /// The most terminations of a context.
    pub max_terminations: usize,
    /// The most members of a group; they do not count as terminations of the context.
    pub max_group_members: usize,
    /// How long changes of a group's membership gather unless a command says otherwise.
    pub group_rekey_interval: Duration,
    /// The most streams of a termination.
    pub max_streams: usize,
    /// Whether suites without encryption may be used.
    pub allow_null: bool,
    /// Whether F8_128_HMAC_SHA1_80 may be used (RFC 4568 §6.2.3).
    pub allow_f8: bool,
    /// Whether UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP may be used (RFC 4568 §6.3.2).
    pub allow_unencrypted: bool,
    /// The most SSRCs of one secured direction, whatever a controller asks for.
    pub max_sources: u8,
    /// How long a replaced ingress key opens packets unless a command says otherwise.
    pub default_overlap: Duration,
    /// The longest overlap that a command may ask for.
    pub max_overlap: Duration,
    /// How far ahead the activation of a staged key may be put off.
    pub max_activation_delay: Duration,
    /// Whether a key that opened packets of an ended call may open those of another one. Its
    /// replay windows are forgotten, so that recorded packets of the ended call would open too.
    pub allow_ingress_key_return: bool,
    /// The time gate of plain legs that latch.
    pub latch_gate: Duration,
    /// How many times its signalled bandwidth a stream may take; 0 is no limit.
    pub policing_factor: u32,
    /// How long it may do so at once: the depth of its bucket.
    pub policing_burst: Duration,
    /// The most packets that may wait for the ingress key of a stream; 0 is none (RFC 4568 §5.1.1).
    pub max_pre_key_packets: u8,
    /// How long ports rest after release.
    pub port_rest: Duration,
    /// The gateway's own listeners, which no peer may be.
    pub listeners: Vec<SocketAddr>,
    /// Events kept for controllers that come back.
    pub event_capacity: usize,
    /// When calls are asked about and released unasked.
    pub supervision: SupervisionPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_contexts: 10_000,
            admission: Admission::default(),
            max_terminations: 32,
            max_group_members: 64,
            group_rekey_interval: Duration::from_secs(10),
            max_streams: 64,
            allow_null: false,
            allow_f8: false,
            allow_unencrypted: false,
            max_sources: 64,
            default_overlap: Duration::from_secs(2),
            max_overlap: Duration::from_secs(60),
            max_activation_delay: Duration::from_secs(24 * 3600),
            allow_ingress_key_return: false,
            latch_gate: Duration::from_secs(3),
            policing_factor: 3,
            policing_burst: Duration::from_secs(2),
            max_pre_key_packets: 64,
            port_rest: Duration::from_secs(10),
            listeners: Vec::new(),
            event_capacity: 65_536,
            supervision: SupervisionPolicy::default(),
        }
    }
}

impl Policy {
    /// Whether a suite may be used.
    #[must_use]
    pub fn allows(&self, suite: Suite) -> bool {
        //= tests/spec/srtp.md#f8-mode
        //# F8_128_HMAC_SHA1_80 MUST be refused unless policy allows it.
        (self.allow_null || !suite.is_null()) && (self.allow_f8 || !suite.is_f8())
    }
}
