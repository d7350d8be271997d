//! Ports that the kernel may give to other programs.

use std::{fs, io, ops::RangeInclusive};

/// What the kernel hands out to programs that do not ask for a port of their own.
const HANDED_OUT: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// What it keeps back of that.
const KEPT_BACK: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The ports of a range that the kernel may give to any program, because they are not in
/// `net.ipv4.ip_local_reserved_ports`; `None` if there are none.
///
/// The `xdp` backend takes the datagrams of its ports from whoever else has them, so that a range
/// is safe only if nobody has: either outside `net.ipv4.ip_local_port_range` or reserved.
///
/// # Errors
/// The kernel's, or `InvalidData` if it does not say what is expected.
pub fn unreserved_ports(ports: &RangeInclusive<u16>) -> io::Result<Option<RangeInclusive<u16>>> {
    at_risk(ports, &fs::read_to_string(HANDED_OUT)?, &fs::read_to_string(KEPT_BACK)?)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// From the first to the last port at risk; `None` outside if the texts are not ranges.
fn at_risk(
    ports: &RangeInclusive<u16>,
    handed_out: &str,
    kept_back: &str,
) -> Option<Option<RangeInclusive<u16>>> {
    let (low, high) = handed_out.trim().split_once(char::is_whitespace)?;
    let handed_out = low.parse::<u16>().ok()?..=high.trim().parse::<u16>().ok()?;
    let kept_back: Vec<_> =
        kept_back.trim().split(',').filter(|text| !text.is_empty()).map(range).collect();
    let kept_back = kept_back.into_iter().collect::<Option<Vec<_>>>()?;
    let mut risky = ports.clone().filter(|port| {
        handed_out.contains(port) && !kept_back.iter().any(|range| range.contains(port))
    });
    let first = risky.next();
    let last = risky.next_back().or(first);
    Some(first.zip(last).map(|(first, last)| first..=last))
}

/// `5` or `5-9`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_at_risk_inside_what_is_handed_out_and_outside_what_is_kept_back() {
        let table = [
            ("40000-40009\n", Some(None)),
            ("\n", Some(Some(40_000..=40_009))),
            ("1,40000-40004,40009\n", Some(Some(40_005..=40_008))),
            ("39000-40002,40006-41000", Some(Some(40_003..=40_005))),
            ("wrong", None),
        ];
        for (kept_back, expected) in table {
            assert_eq!(at_risk(&(40_000..=40_009), "32768\t60999\n", kept_back), expected);
        }
        assert_eq!(at_risk(&(20_000..=29_999), "32768\t60999\n", "\n"), Some(None));
        assert_eq!(at_risk(&(1..=2), "all", ""), None);
    }

    #[test]
    fn the_kernel_says_what_is_expected() {
        unreserved_ports(&(1..=u16::MAX)).unwrap();
    }
}
