//! What both wire forms can say.

use std::borrow::Cow;

use zeroize::Zeroizing;

/// Octets that may be a session description with keys: wiped after use.
pub type Octets = Zeroizing<Vec<u8>>;

/// A key of a dictionary: no secret, and in replies mostly one of few.
pub(crate) type Key = Cow<'static, [u8]>;

/// How deep lists and dictionaries may stand in each other.
pub(crate) const MAX_DEPTH: usize = 16;

/// A value of either wire form. Dictionaries keep the order and the repetitions of the wire.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A string of octets.
    Octets(Octets),
    /// Values in order.
    List(Vec<Self>),
    /// Keys with values, in the order of the wire; a key may stand there more than once.
    Dictionary(Vec<(Key, Self)>),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Octets(octets) => write!(f, "({} octets)", octets.len()),
            Self::List(values) => f.debug_list().entries(values).finish(),
            Self::Dictionary(pairs) => write!(f, "{{{} keys}}", pairs.len()),
        }
    }
}

impl Value {
    /// A string.
    #[must_use]
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Octets(Zeroizing::new(text.as_ref().to_vec()))
    }

    /// A count; what is beyond the wire's numbers is its greatest.
    #[must_use]
    pub fn count(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A dictionary with these keys.
    #[must_use]
    pub fn dictionary<K: AsRef<[u8]>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        let owned = |(key, value): (K, Self)| (Cow::Owned(key.as_ref().to_vec()), value);
        Self::Dictionary(pairs.into_iter().map(owned).collect())
    }

    /// A dictionary whose keys are known from the start; best in the order of their octets, in which
    /// bencode has them.
    #[must_use]
    pub fn known(pairs: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        let borrowed = |(key, value): (&'static str, Self)| (Cow::Borrowed(key.as_bytes()), value);
        Self::Dictionary(pairs.into_iter().map(borrowed).collect())
    }

    /// What stands under a key, spelt exactly so; the first if it stands there more than once.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Self> {
        let Self::Dictionary(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| &**name == key.as_bytes()).map(|(_, value)| value)
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_octets(&self) -> Option<&Octets> {
        match self {
            Self::Octets(octets) => Some(octets),
            Self::Integer(_) | Self::List(_) | Self::Dictionary(_) => None,
        }
    }

    /// The string, if it is one in UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(self.as_octets()?).ok()
    }

    //= tests/spec/ng.md#wire
    //# A number MUST be read from a string of decimal digits as well.
    /// The number, or the string of decimal digits that says one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Octets(_) => self.as_text()?.trim().parse().ok(),
            Self::List(_) | Self::Dictionary(_) => None,
        }
    }

    /// The strings of a list; a string alone is a list of one.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::Octets(_) => (Some(self), &[][..]),
            Self::List(values) => (None, values.as_slice()),
            Self::Integer(_) | Self::Dictionary(_) => (None, &[][..]),
        };
        one.into_iter().chain(many).filter_map(Self::as_text)
    }
}
