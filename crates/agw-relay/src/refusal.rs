//! Why the kernel did not take a datagram that the packet path let go.

use std::time::{Duration, Instant};

/// What is told of one stream, is told at most this often; the counters have all of it.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Why a forwarded datagram was not sent; the variant order is the counter order.
///
/// None of them ends a stream: the next datagram is tried like the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Refusal {
    /// It is longer than the path takes (`EMSGSIZE`), as when SRTP has made it grow.
    TooBig,
    /// Nobody listens there: an ICMP port unreachable came back (`ECONNREFUSED`).
    PortUnreachable,
    /// No neighbour answers, or a route forbids it (`EHOSTUNREACH`).
    HostUnreachable,
    /// There is no route (`ENETUNREACH`).
    NetworkUnreachable,
    /// The interface is down or gone, or has lost the local address (`ENETDOWN`, `ENODEV`,
    /// `EADDRNOTAVAIL`).
    InterfaceDown,
    /// The packet filter or a route forbids it (`EPERM`, `EACCES`).
    Forbidden,
    /// No room in a buffer or device queue (`EAGAIN`, `ENOBUFS`, `ENOMEM`).
    Congested,
    /// Anything else.
    Other,
}

impl Refusal {
    /// Every reason, in counter order.
    pub const ALL: [Self; 8] = [
        Self::TooBig,
        Self::PortUnreachable,
        Self::HostUnreachable,
        Self::NetworkUnreachable,
        Self::InterfaceDown,
        Self::Forbidden,
        Self::Congested,
        Self::Other,
    ];

    /// The reason's name in the API and the tool: lower case, words joined by `_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooBig => "too_big",
            Self::PortUnreachable => "port_unreachable",
            Self::HostUnreachable => "host_unreachable",
            Self::NetworkUnreachable => "network_unreachable",
            Self::InterfaceDown => "interface_down",
            Self::Forbidden => "forbidden",
            Self::Congested => "congested",
            Self::Other => "other",
        }
    }
}

/// Datagrams that were not sent, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Refusals([u64; Refusal::ALL.len()]);

impl Refusals {
    /// The datagrams that were not sent for `reason`.
    #[must_use]
    pub fn of(&self, reason: Refusal) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// Every reason with its count, in counter order.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().zip(self.0.iter().copied())
    }

    fn count(&mut self, reason: Refusal) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += 1;
        }
    }
}

/// What an egress remembers once something was refused; most never have anything.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) refusals: Refusals,
    told: Option<Instant>,
}

impl Trouble {
    /// Counts a refusal; tells whether one for its size is to be reported now.
    pub(crate) fn note(&mut self, refusal: Refusal, now: Instant) -> bool {
        self.refusals.count(refusal);
        let is_due =
            self.told.is_none_or(|told| now.saturating_duration_since(told) >= REPORT_INTERVAL);
        let is_told = refusal == Refusal::TooBig && is_due;
        if is_told {
            self.told = Some(now);
        }
        is_told
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::epoch;

    #[test]
    fn every_reason_counts_for_itself_and_has_a_name_of_its_own() {
        let mut refusals = Refusals::default();
        for (position, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position);
            refusals.count(reason);
            assert_eq!(refusals.of(reason), 1, "{reason:?}");
        }
        let names: BTreeSet<_> = Refusal::ALL.into_iter().map(Refusal::name).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }

    #[test]
    fn what_is_too_big_is_told_once_a_second_and_the_rest_never() {
        let mut trouble = Trouble::default();
        let at = |milliseconds| epoch() + Duration::from_millis(milliseconds);
        assert!(!trouble.note(Refusal::Forbidden, at(0)));
        assert!(trouble.note(Refusal::TooBig, at(1)));
        assert!(!trouble.note(Refusal::TooBig, at(1_000)));
        assert!(trouble.note(Refusal::TooBig, at(1_001)));
        assert_eq!(trouble.refusals.of(Refusal::TooBig), 3);
    }
}
