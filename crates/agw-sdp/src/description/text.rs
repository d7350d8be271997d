//! A description as it came, and what it says.

use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};

use zeroize::Zeroizing;

/// A description as octets, which nothing prints: it may hold keys.
pub(crate) struct Text(pub(crate) Zeroizing<Vec<u8>>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} octets)", self.0.len())
    }
}

/// What a description says, but for its `o=` line: who writes the same again may count a version.
///
/// It tells the descriptions of one party of a call apart, which gains nothing by finding two
/// that look alike: 64 bits do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(sdp: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        let lines = sdp.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii_end);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"o=")) {
            hasher.write(line);
            hasher.write_u8(b'\n');
        }
        Self(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_and_the_ends_of_lines_are_nothing_that_is_said() {
        let one = Fingerprint::of(b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\n");
        assert_eq!(one, Fingerprint::of(b"v=0\no=a 1 2 IN IP4 192.0.2.1\ns=-"));
        assert_ne!(one, Fingerprint::of(b"v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=x\r\n"));
        assert_ne!(one, Fingerprint::of(b"v=0\r\ns\r\n=-\r\n"));
    }

    #[test]
    fn a_text_is_not_printed() {
        let text = Text(Zeroizing::new(b"inline:secret".to_vec()));
        assert_eq!(format!("{text:?}"), "Text(13 octets)");
    }
}
