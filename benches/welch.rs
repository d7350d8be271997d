//! Whether two classes of measurements differ: Welch's t test, as dudect uses it.

/// Shares of the measurements that are looked at, the slowest ones left out: what else the machine
/// does is slow, and what is looked for may be small.
const SHARES: [f64; 6] = [1.0, 0.99, 0.95, 0.9, 0.75, 0.5];

/// Count, mean and spread of measurements as they come (Welford).
#[derive(Debug, Default, Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    /// The square of the mean's standard error.
    fn error(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// Welch's t of two classes: how many standard errors their means are apart. Zero if one of them has
/// less than two measurements, or neither any spread.
#[must_use]
pub fn t(classes: [&[u32]; 2]) -> f64 {
    let [one, other] = classes.map(|class| {
        let mut moments = Moments::default();
        class.iter().for_each(|&value| moments.add(value.into()));
        moments
    });
    let error = (one.error() + other.error()).sqrt();
    if error > 0.0 { (one.mean - other.mean) / error } else { 0.0 }
}

/// The t farthest from zero over shares of the measurements: all of them, and without the slowest of
/// both classes together.
#[must_use]
pub fn farthest_t(classes: [&[u32]; 2]) -> f64 {
    let mut all: Vec<u32> = classes.concat();
    all.sort_unstable();
    let mut farthest = 0.0_f64;
    for share in SHARES {
        let last = (all.len() as f64 * share) as usize;
        let Some(&most) = all.get(last.saturating_sub(1)) else {
            continue;
        };
        let kept = classes.map(|class| {
            class.iter().copied().filter(|value| *value <= most).collect::<Vec<u32>>()
        });
        let t = t(kept.each_ref().map(Vec::as_slice));
        if t.abs() > farthest.abs() {
            farthest = t;
        }
    }
    farthest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_is_what_a_table_says() {
        // Means 3 and 6, variances 2.5 and 10, five of each: 3 / sqrt(0.5 + 2).
        let (one, other) = ([1, 2, 3, 4, 5], [2, 4, 6, 8, 10]);
        assert!((t([&one, &other]) + 3.0 / 2.5_f64.sqrt()).abs() < 1e-12);
        assert!((t([&other, &one]) - 3.0 / 2.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(t([&one, &one]), 0.0);
        assert_eq!(t([&[7, 7], &[7, 7]]), 0.0);
    }

    #[test]
    fn outliers_do_not_hide_a_difference_and_make_none() {
        let mut classes = [Vec::new(), Vec::new()];
        for n in 0..2_000 {
            // One in a hundred is the scheduler's.
            let noise = if n % 100 == 0 { 1_000_000 + n * n } else { n % 7 };
            classes[0].push(500 + noise);
            classes[1].push(501 + noise);
        }
        let [one, other] = classes.each_ref().map(Vec::as_slice);
        assert!(t([one, other]).abs() < 1.0);
        assert!(farthest_t([one, other]) < -4.5);
        assert!(farthest_t([one, one]).abs() < 1e-9);
    }
}
