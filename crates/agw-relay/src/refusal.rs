//! Why the kernel did not take a datagram that the packet path let go.

use std::time::{Duration, Instant};

/// A bearer counts as released when all that was to leave for so long was refused, so that one ICMP
/// message, or a route that is exchanged, does not.
const RELEASED_AFTER: Duration = Duration::from_secs(3);
/// ... and not less than this many datagrams.
const RELEASED_DATAGRAMS: u64 = 5;
/// Datagrams that are counted as sent before the kernel has refused them: those of a batch.
const UNDER_WAY: u64 = 64;

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
    streak: Option<Streak>,
}

/// Datagrams that were refused one after the other.
#[derive(Debug)]
struct Streak {
    since: Instant,
    /// Datagrams that had left when it began.
    sent: u64,
    refused: u64,
    told: bool,
}

/// What of a refusal control is to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Nothing.
    Nothing,
    /// The datagram was too long for its path.
    TooBig,
    /// Nothing leaves any more (TS 23.334 "IP Bearer Released").
    Released,
}

impl Trouble {
    /// Counts a refusal of one of so many datagrams sent; tells what is to be reported now.
    pub(crate) fn note(&mut self, refusal: Refusal, sent: u64, now: Instant) -> Telling {
        self.refusals.count(refusal);
        let is_due =
            self.told.is_none_or(|told| now.saturating_duration_since(told) >= REPORT_INTERVAL);
        let is_told = refusal == Refusal::TooBig && is_due;
        if is_told {
            self.told = Some(now);
            return Telling::TooBig;
        }
        if self.is_released(refusal, sent, now) { Telling::Released } else { Telling::Nothing }
    }

    //= tests/spec/relay.md#sockets
    //# A stream of which nothing leaves any more MUST be told once, and one refusal MUST NOT count
    //# as that.
    fn is_released(&mut self, refusal: Refusal, sent: u64, now: Instant) -> bool {
        // Packets of the wrong size, or too many, say nothing of the bearer.
        if matches!(refusal, Refusal::TooBig | Refusal::Congested) {
            return false;
        }
        let goes_on = self
            .streak
            .as_ref()
            .is_some_and(|streak| sent.saturating_sub(streak.sent) <= streak.refused + UNDER_WAY);
        if !goes_on {
            self.streak = None;
        }
        let streak =
            self.streak.get_or_insert(Streak { since: now, sent, refused: 0, told: false });
        streak.refused += 1;
        let is_new = !streak.told
            && streak.refused >= RELEASED_DATAGRAMS
            && now.saturating_duration_since(streak.since) >= RELEASED_AFTER;
        streak.told |= is_new;
        is_new
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
        assert_eq!(trouble.note(Refusal::Forbidden, 1, at(0)), Telling::Nothing);
        assert_eq!(trouble.note(Refusal::TooBig, 1, at(1)), Telling::TooBig);
        assert_eq!(trouble.note(Refusal::TooBig, 2, at(1_000)), Telling::Nothing);
        assert_eq!(trouble.note(Refusal::TooBig, 3, at(1_001)), Telling::TooBig);
        assert_eq!(trouble.refusals.of(Refusal::TooBig), 3);
    }

    //= tests/spec/relay.md#sockets
    //= type=test
    //# A stream of which nothing leaves any more MUST be told once, and one refusal MUST NOT count
    //# as that.
    #[test]
    fn a_bearer_is_released_when_nothing_leaves_for_three_seconds_and_told_once() {
        let start = epoch();
        let mut trouble = Trouble::default();
        let mut refuse = |sent, seconds| {
            let at = start + Duration::from_secs(seconds);
            trouble.note(Refusal::HostUnreachable, sent, at)
        };
        // One in a hundred, for long.
        assert!((0..50).all(|second| refuse(second * 100, second) == Telling::Nothing));
        let all: Vec<_> = (0..6).map(|n| refuse(5_000 + n, 60 + n)).collect();
        assert_eq!(all.iter().filter(|told| **told == Telling::Released).count(), 1, "{all:?}");
        assert_eq!(refuse(5_006, 90), Telling::Nothing);
        // Something left, and then nothing again.
        let again: Vec<_> = (0..6).map(|n| refuse(9_000 + n, 100 + n)).collect();
        assert_eq!(again.iter().filter(|told| **told == Telling::Released).count(), 1);
    }
}
