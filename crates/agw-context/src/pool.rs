//! Port pairs of one address: random, even, and at rest for a while after release.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// The port pairs of one local address: an even RTP port and the odd one after it (RFC 3550 §11).
///
/// Ports are given out at random, so that nobody can guess where the next call will listen, and
/// rest after release, so that late packets of one call do not reach the next.
#[derive(Debug)]
pub(crate) struct PortPool {
    free: Vec<u16>,
    resting: VecDeque<(Instant, u16)>,
    used: usize,
    pairs: usize,
    rest: Duration,
}

impl PortPool {
    /// All pairs that lie within `ports`, both ports of each.
    pub(crate) fn new(ports: &RangeInclusive<u16>, rest: Duration) -> Self {
        let free: Vec<u16> = ports
            .clone()
            .filter(|port| {
                //= tests/spec/relay.md#ports
                //# An RTP port MUST be even and its RTCP port MUST be the next one unless they
                //# share one port.
                port % 2 == 0
                    && *port != 0
                    && port.checked_add(1).is_some_and(|odd| ports.contains(&odd))
            })
            .collect();
        Self { pairs: free.len(), free, resting: VecDeque::new(), used: 0, rest }
    }

    /// Takes a pair and tells its even port; `random(n)` is uniform below `n`.
    pub(crate) fn take(&mut self, now: Instant, random: &mut dyn FnMut(u32) -> u32) -> Option<u16> {
        while let Some(&(until, port)) = self.resting.front() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            self.free.push(port);
        }
        let count = u32::try_from(self.free.len()).ok().filter(|&count| count > 0)?;
        let chosen = random(count) as usize % self.free.len();
        self.used += 1;
        Some(self.free.swap_remove(chosen))
    }

    /// Gives a pair back to rest.
    pub(crate) fn release(&mut self, port: u16, now: Instant) {
        self.used = self.used.saturating_sub(1);
        //= tests/spec/relay.md#ports
        //# A released port MUST NOT be given out again before its quarantine ends.
        self.resting.push_back((now + self.rest, port));
    }

    /// Gives a pair back that nobody ever heard of.
    pub(crate) fn undo(&mut self, port: u16) {
        self.used = self.used.saturating_sub(1);
        self.free.push(port);
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    /// Pairs that are not given out yet.
    pub(crate) fn resting(&self, now: Instant) -> usize {
        self.resting.len() - self.rested(now)
    }

    /// Pairs that can be given out now.
    pub(crate) fn available(&self, now: Instant) -> usize {
        self.free.len() + self.rested(now)
    }

    /// All pairs there are.
    pub(crate) const fn pairs(&self) -> usize {
        self.pairs
    }

    /// Pairs whose rest is over, though nobody has asked for one since.
    fn rested(&self, now: Instant) -> usize {
        self.resting.partition_point(|&(until, _)| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::{Dice, epoch};

    const REST: Duration = Duration::from_secs(10);

    #[test]
    fn gives_out_every_even_port_of_the_range_once() {
        let mut pool = PortPool::new(&(4001..=4010), REST);
        let mut dice = Dice::new(1);
        let mut ports = BTreeSet::new();
        while let Some(port) = pool.take(epoch(), &mut |n| dice.below(n)) {
            assert!(ports.insert(port));
        }
        assert_eq!(ports, BTreeSet::from([4002, 4004, 4006, 4008]));
    }

    #[test]
    fn the_top_of_the_port_space_does_not_wrap() {
        let mut pool = PortPool::new(&(65_533..=65_535), REST);
        assert_eq!(pool.take(epoch(), &mut |_| 0), Some(65_534));
        assert_eq!(pool.take(epoch(), &mut |_| 0), None);
    }

    //= tests/spec/relay.md#ports
    //= type=test
    //# A released port MUST NOT be given out again before its quarantine ends.
    #[test]
    fn a_released_port_rests_before_it_is_given_out_again() {
        let start = epoch();
        let mut pool = PortPool::new(&(4000..=4001), REST);
        assert_eq!(pool.take(start, &mut |_| 0), Some(4000));
        pool.release(4000, start);
        assert_eq!(pool.take(start + REST - Duration::from_nanos(1), &mut |_| 0), None);
        assert_eq!(pool.take(start + REST, &mut |_| 0), Some(4000));
    }

    #[test]
    fn a_pair_whose_rest_is_over_counts_as_free_though_nobody_has_asked_for_it() {
        let start = epoch();
        let mut pool = PortPool::new(&(4000..=4003), REST);
        let pair = pool.take(start, &mut |_| 0).expect("a pair");
        pool.release(pair, start);
        let almost = start + REST - Duration::from_nanos(1);
        assert_eq!((pool.resting(almost), pool.available(almost)), (1, 1));
        assert_eq!((pool.resting(start + REST), pool.available(start + REST)), (0, 2));
        assert_eq!(pool.pairs(), 2);
    }

    //= tests/spec/relay.md#ports
    //= type=test
    //# Reserving and releasing MUST NOT lose ports.
    #[test]
    fn a_million_calls_leak_no_port() {
        let start = epoch();
        let mut pool = PortPool::new(&(40_000..=40_199), REST);
        let mut dice = Dice::new(7);
        let mut held = VecDeque::new();
        for cycle in 0..1_000_000u64 {
            let now = start + Duration::from_secs(cycle);
            held.push_back(pool.take(now, &mut |n| dice.below(n)).expect("a free pair"));
            if held.len() > 50 {
                pool.release(held.pop_front().unwrap(), now);
            }
            assert_eq!(pool.used() + pool.resting(now) + pool.available(now), 100);
        }
        let distinct: BTreeSet<_> = held.iter().collect();
        assert_eq!(distinct.len(), held.len());
    }
}
