//! The kernel's per-socket drop counter, made 64 bits wide.

/// Follows a 32-bit counter that wraps and whose readings may arrive out of order.
///
/// The kernel writes the counter into each datagram when it queues it (`SO_RXQ_OVFL`), so a
/// reading taken with a datagram may be older than one taken from the socket (`SO_MEMINFO`).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct OverflowCounter {
    newest: u32,
}

impl OverflowCounter {
    //= tests/spec/relay.md#sockets
    //# Datagrams that the kernel dropped for a full queue MUST be counted.
    /// Takes a reading and tells how many drops are new. A reading up to 2^31 - 1 ahead of the
    /// newest one is newer, any other is older and tells nothing.
    pub(crate) fn observe(&mut self, reading: u32) -> u64 {
        let ahead = reading.wrapping_sub(self.newest);
        if ahead > i32::MAX.unsigned_abs() {
            return 0;
        }
        self.newest = reading;
        u64::from(ahead)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wrap_of_the_kernels_counter_is_not_seen() {
        let mut counter = OverflowCounter { newest: u32::MAX - 1 };
        assert_eq!(counter.observe(u32::MAX), 1);
        assert_eq!(counter.observe(4), 5);
    }

    #[test]
    fn an_older_reading_counts_nothing_and_changes_nothing() {
        let mut counter = OverflowCounter::default();
        assert_eq!(counter.observe(100), 100);
        assert_eq!(counter.observe(60), 0);
        assert_eq!(counter.observe(101), 1);
    }

    proptest! {
        #[test]
        fn readings_in_any_near_order_sum_up_to_the_true_count(
            start in any::<u32>(),
            steps in prop::collection::vec((0_u64..1 << 20, 0_u64..1 << 20), 1..200),
        ) {
            let mut counter = OverflowCounter { newest: start };
            let (mut truth, mut newest, mut counted) = (0_u64, 0_u64, 0_u64);
            for (grows, lags) in steps {
                truth += grows;
                let seen = truth.saturating_sub(lags);
                newest = newest.max(seen);
                counted += counter.observe(start.wrapping_add(seen as u32));
            }
            prop_assert_eq!(counted, newest);
        }
    }
}
