//! Figures as people read them.

/// What a figure is measured in; values are kept in the unit of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Something each second.
    PerSecond,
    /// Hundredths.
    Percent,
    /// Octets.
    Octets,
    /// Things.
    Count,
}

impl Unit {
    /// A value with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => format!("{} ns", number(value)),
            Self::Microseconds if value >= 1_000.0 => format!("{} ms", number(value / 1_000.0)),
            Self::Microseconds => format!("{} µs", number(value)),
            Self::PerSecond => format!("{}/s", number(value)),
            Self::Percent => format!("{} %", number(value)),
            Self::Octets if value >= 10_000_000.0 => format!("{} MB", number(value / 1e6)),
            Self::Octets if value >= 10_000.0 => format!("{} kB", number(value / 1_000.0)),
            Self::Octets => format!("{} B", number(value)),
            Self::Count => number(value),
        }
    }
}

/// A number with at least three digits that mean something, and commas between thousands.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = match magnitude {
        m if m == 0.0 || m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.001 => 2 + (m < 0.995) as usize,
        _ => 5,
    };
    let text = format!("{magnitude:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let sign = if value < 0.0 { "−" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", with_commas(whole))
}

/// A count with commas between thousands.
pub(crate) fn count(value: u64) -> String {
    with_commas(&value.to_string())
}

/// A ratio, as in `0.42×`.
pub(crate) fn ratio(value: f64) -> String {
    if value >= 9.95 { format!("{value:.1}×") } else { format!("{value:.2}×") }
}

/// A moment in universal time, as in `2026-11-21 16:20 UTC`.
pub(crate) fn moment(unix_s: u64) -> String {
    let (days, seconds) = (unix_s / 86_400, unix_s % 86_400);
    // Howard Hinnant's civil_from_days, for days since 1970.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (seconds / 3_600, seconds / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// A command line that can be pasted.
pub(crate) fn command(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c))
    };
    let quoted = words.iter().map(|word| {
        if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn with_commas(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_no_empty_ones() {
        let table = [
            (0.0, "0"),
            (0.000_4, "0.0004"),
            (0.012, "0.012"),
            (0.5, "0.5"),
            (1.234_5, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234_567.8, "1,234,568"),
            (-20.0, "−20"),
        ];
        for (value, text) in table {
            assert_eq!(number(value), text, "{value}");
        }
    }

    #[test]
    fn values_are_shown_in_the_unit_that_suits_them() {
        assert_eq!(Unit::Microseconds.show(850.0), "850 µs");
        assert_eq!(Unit::Microseconds.show(12_500.0), "12.5 ms");
        assert_eq!(Unit::Octets.show(576.0), "576 B");
        assert_eq!(Unit::Octets.show(54_321.0), "54.3 kB");
        assert_eq!(ratio(0.123), "0.12×");
        assert_eq!(count(1_000), "1,000");
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_825_540), "2000-02-29 11:59 UTC");
        assert_eq!(moment(1_795_273_917), "2026-11-21 15:11 UTC");
    }

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = ["agw-load", "--set", "a=b c", "it's", ""].map(str::to_owned);
        assert_eq!(command(&words), r"agw-load --set 'a=b c' 'it'\''s' ''");
    }
}
