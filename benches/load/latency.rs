//! Distributions of times.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::result::{Bucket, Distribution};

/// Up to a minute in nanoseconds, with three digits.
const MOST: u64 = 60_000_000_000;
/// Buckets of a plot grow by this factor.
const GROWTH: f64 = 1.15;

/// Times as they are measured.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

impl Times {
    /// None yet.
    ///
    /// # Errors
    /// Never, in truth: the bounds are good.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, MOST, 3)?))
    }

    /// Takes a time; what is longer than a minute counts as a minute.
    pub(crate) fn record(&mut self, time: Duration) {
        self.record_ns(u64::try_from(time.as_nanos()).unwrap_or(MOST));
    }

    /// Takes a time in nanoseconds.
    pub(crate) fn record_ns(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds);
    }

    /// Takes all times of another.
    ///
    /// # Errors
    /// Never, in truth: all have the same bounds.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        Ok(self.0.add(&other.0)?)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// How they are spread.
    pub(crate) fn distribution(&self) -> Distribution {
        if self.0.is_empty() {
            return Distribution::default();
        }
        let us = |nanoseconds: u64| nanoseconds as f64 / 1_000.0;
        let at = |quantile| us(self.0.value_at_quantile(quantile));
        Distribution {
            count: self.0.len(),
            min_us: us(self.0.min()),
            mean_us: self.0.mean() / 1_000.0,
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: us(self.0.max()),
            buckets: self.buckets(),
        }
    }

    fn buckets(&self) -> Vec<Bucket> {
        let steps = self.0.iter_log(1_000, GROWTH);
        let filled = steps.filter(|step| step.count_since_last_iteration() > 0);
        filled
            .map(|step| Bucket {
                to_us: step.value_iterated_to() as f64 / 1_000.0,
                count: step.count_since_last_iteration(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_buckets_are_those_of_the_values() {
        let mut times = Times::new().unwrap();
        for microseconds in 1..=1_000 {
            times.record(Duration::from_micros(microseconds));
        }
        let found = times.distribution();
        for (quantile, expected) in
            [(found.p50_us, 500.0), (found.p90_us, 900.0), (found.p99_us, 990.0)]
        {
            assert!((quantile - expected).abs() <= expected / 500.0, "{quantile} {expected}");
        }
        assert_eq!(found.buckets.iter().map(|bucket| bucket.count).sum::<u64>(), 1_000);
        assert!(found.buckets.iter().is_sorted_by(|a, b| a.to_us < b.to_us));
        assert_eq!(Times::new().unwrap().distribution(), Distribution::default());
    }
}
