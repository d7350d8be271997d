//! Master keys, master key identifiers, lifetimes.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::Suite;

const MAX_SALT_OCTETS: usize = 14;
const MAX_MKI_OCTETS: usize = 128;

//= tests/spec/srtp.md#key-material
//# Key material MUST be wiped when it is released.
/// A master key and its master salt (RFC 3711 §3.2.1).
///
/// Wiped on drop, neither cloned nor printed nor compared but in constant time. The octets stay
/// in one place for life: moving the key moves a pointer and leaves no copy behind.
#[derive(ZeroizeOnDrop)]
pub struct MasterKey {
    #[zeroize(skip)]
    suite: Suite,
    key_and_salt: Box<[u8]>,
}

impl MasterKey {
    /// Takes a key and a salt of exactly the suite's lengths.
    ///
    /// # Errors
    /// [`KeyError::KeyLength`] or [`KeyError::SaltLength`] if a length is not the suite's.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, KeyError> {
        if key.len() != suite.key_len() {
            return Err(KeyError::KeyLength { expected: suite.key_len(), found: key.len() });
        }
        if salt.len() != suite.salt_len() {
            return Err(KeyError::SaltLength { expected: suite.salt_len(), found: salt.len() });
        }
        let mut key_and_salt = vec![0; key.len() + salt.len()].into_boxed_slice();
        for (to, from) in key_and_salt.iter_mut().zip(key.iter().chain(salt)) {
            *to = *from;
        }
        Ok(Self { suite, key_and_salt })
    }

    /// Takes key and salt as they stand in an `inline:` field, one after the other
    /// (RFC 4568 §6.1).
    ///
    /// # Errors
    /// [`KeyError::KeyLength`] if the length is not that of the suite's key and salt together.
    pub fn from_concatenated(suite: Suite, key_and_salt: &[u8]) -> Result<Self, KeyError> {
        let expected = suite.key_len() + suite.salt_len();
        match key_and_salt.split_at_checked(suite.key_len()) {
            Some((key, salt)) if salt.len() == suite.salt_len() => Self::new(suite, key, salt),
            Some(_) | None => Err(KeyError::KeyLength { expected, found: key_and_salt.len() }),
        }
    }

    /// The suite the key is for.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Whether suite, key and salt are the same, in time that does not depend on the octets.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> Choice {
        self.key_and_salt.ct_eq(&other.key_and_salt)
            & Choice::from(u8::from(self.suite == other.suite))
    }

    /// Whether key and salt are all zero, in time that does not depend on the octets.
    #[must_use]
    pub fn is_all_zero(&self) -> Choice {
        self.key_and_salt.iter().fold(Choice::from(1), |zero, octet| zero & octet.ct_eq(&0))
    }

    /// Lends key and salt, one after the other, for printing `a=crypto` and for fingerprints.
    pub fn expose<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(&self.key_and_salt)
    }

    fn for_another_member(&self) -> Self {
        Self { suite: self.suite, key_and_salt: self.key_and_salt.clone() }
    }

    /// Lends the key.
    pub(crate) fn key(&self) -> &[u8] {
        self.key_and_salt.get(..self.suite.key_len()).unwrap_or_default()
    }

    //= tests/spec/srtp.md#key-derivation
    //# A 96-bit master salt MUST be padded on the right to 112 bits before derivation.
    /// Lends the salt, padded on the right with zeros to 112 bits as RFC 7714 §11 leaves unsaid
    /// and every implementation does.
    pub(crate) fn padded_salt(&self) -> Zeroizing<[u8; MAX_SALT_OCTETS]> {
        let mut salt = Zeroizing::new([0; MAX_SALT_OCTETS]);
        let octets = self.key_and_salt.iter().skip(self.suite.key_len());
        for (to, from) in salt.iter_mut().zip(octets) {
            *to = *from;
        }
        salt
    }
}

//= tests/spec/srtp.md#key-material
//# Key material MUST NOT appear in debug output.
impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey(redacted, {} octets)", self.key_and_salt.len())
    }
}

/// A master key identifier: 1 to 128 octets, sent with every packet (RFC 3711 §3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mki {
    octets: [u8; MAX_MKI_OCTETS],
    len: u8,
}

impl Mki {
    /// The longest identifier, in octets.
    pub const MAX_LEN: usize = MAX_MKI_OCTETS;

    //= tests/spec/srtp.md#mki
    //# An MKI of 1 to 128 octets MUST be accepted.
    /// Takes the octets as they appear in packets, most significant first.
    ///
    /// # Errors
    /// [`KeyError::MkiLength`] unless there are 1 to 128 octets.
    pub fn new(octets: &[u8]) -> Result<Self, KeyError> {
        let mut padded = [0; MAX_MKI_OCTETS];
        let (Some(to), false) = (padded.get_mut(..octets.len()), octets.is_empty()) else {
            return Err(KeyError::MkiLength(octets.len()));
        };
        to.copy_from_slice(octets);
        let len = u8::try_from(octets.len()).map_err(|_| KeyError::MkiLength(octets.len()))?;
        Ok(Self { octets: padded, len })
    }

    /// The octets as they appear in packets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Mki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mki(")?;
        for octet in self.as_slice() {
            write!(f, "{octet:02x}")?;
        }
        f.write_str(")")
    }
}

/// How many packets a master key may protect, SRTP and SRTCP counted apart.
///
/// Each count has to stay *below* its number (RFC 4568 §6.1), so `Lifetime { srtp: 1024, .. }`
/// carries 1,023 SRTP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// SRTP packets over all sources, at most 2^48.
    pub srtp: u64,
    /// SRTCP packets over all sources, at most 2^31.
    pub srtcp: u64,
}

/// A key that opens what arrives at the gateway.
#[derive(Debug)]
pub struct IngressKey {
    /// Key and salt.
    pub master: MasterKey,
    /// The identifier that packets under this key carry, if they carry one.
    pub mki: Option<Mki>,
    /// When the key is used up.
    pub lifetime: Lifetime,
}

impl IngressKey {
    /// A key without identifier, with the suite's default lifetime.
    #[must_use]
    pub fn new(master: MasterKey) -> Self {
        let lifetime = master.suite().default_lifetime();
        Self { master, mki: None, lifetime }
    }

    /// The same key once more, for another member of a group that sends under one key
    /// (TR 33.829 §5.3.2.1.1). By name rather than by `Clone`: any other key serves one stream.
    #[must_use]
    pub fn for_another_member(&self) -> Self {
        let Self { master, mki, lifetime } = self;
        Self { master: master.for_another_member(), mki: *mki, lifetime: *lifetime }
    }
}

/// A key that seals what leaves the gateway.
#[derive(Debug)]
pub struct EgressKey {
    /// Key and salt.
    pub master: MasterKey,
    /// The identifier that packets under this key carry, if they carry one.
    pub mki: Option<Mki>,
    /// When the key is used up.
    pub lifetime: Lifetime,
}

impl EgressKey {
    /// A key without identifier, with the suite's default lifetime.
    #[must_use]
    pub fn new(master: MasterKey) -> Self {
        let lifetime = master.suite().default_lifetime();
        Self { master, mki: None, lifetime }
    }
}

/// Why keys or parameters are not taken; nothing has changed then. The caller must correct them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key, or key and salt together, are not as long as the suite says.
    #[error("the suite needs {expected} key octets, not {found}")]
    KeyLength {
        /// Octets the suite needs.
        expected: usize,
        /// Octets given.
        found: usize,
    },
    /// The salt is not as long as the suite says.
    #[error("the suite needs {expected} salt octets, not {found}")]
    SaltLength {
        /// Octets the suite needs.
        expected: usize,
        /// Octets given.
        found: usize,
    },
    /// A master key identifier has 1 to 128 octets (RFC 4568 §6.1).
    #[error("a master key identifier has 1 to 128 octets, not {0}")]
    MkiLength(usize),
    /// Several keys need identifiers, all of the same length and all different (RFC 4568 §6.1).
    #[error("several keys need different master key identifiers of the same length")]
    MkiMismatch,
    /// There is no key.
    #[error("no key was given")]
    NoKey,
    /// More keys than [`MAX_KEYS`](crate::MAX_KEYS) at a time.
    #[error("{0} keys are more than can be live at a time")]
    TooManyKeys(usize),
    /// Keys installed together are for different suites.
    #[error("keys installed together must be for the same suite")]
    SuiteMismatch,
    /// A lifetime is zero or longer than the suite allows (RFC 3711 §9.2).
    #[error("the lifetime is zero or longer than the suite allows")]
    Lifetime,
    /// The window is not between 64 and 4,096 packets (RFC 3711 §3.3.2).
    #[error("a replay window has 64 to 4096 packets, not {0}")]
    Window(u16),
    /// The number of sources is not between 1 and 64.
    #[error("a session has 1 to 64 sources, not {0}")]
    MaxSources(u8),
    /// The key sealed packets before the rollover counters were reset, so indices would repeat
    /// under it (RFC 3711 §9.1).
    #[error("the key was used before with other rollover counters")]
    KeyReused,
    /// There is no staged key to activate.
    #[error("no key is staged")]
    NothingStaged,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_checked_against_the_suite() {
        let suite = Suite::AesCm128HmacSha1_80;
        let short = MasterKey::new(suite, &[1; 15], &[2; 14]).unwrap_err();
        assert_eq!(short, KeyError::KeyLength { expected: 16, found: 15 });
        let salt = MasterKey::new(suite, &[1; 16], &[2; 12]).unwrap_err();
        assert_eq!(salt, KeyError::SaltLength { expected: 14, found: 12 });
        for len in (0..64).filter(|len| *len != 30) {
            let error = MasterKey::from_concatenated(suite, &[7; 64][..len]).unwrap_err();
            assert_eq!(error, KeyError::KeyLength { expected: 30, found: len });
        }
    }

    #[test]
    fn concatenated_and_separate_parts_are_the_same_key() {
        let joined: Vec<u8> = (0..30).collect();
        let suite = Suite::AesCm128HmacSha1_32;
        let one = MasterKey::from_concatenated(suite, &joined).unwrap();
        let other = MasterKey::new(suite, &joined[..16], &joined[16..]).unwrap();
        assert!(bool::from(one.ct_eq(&other)));
        assert_eq!(one.expose(<[u8]>::to_vec), joined);
    }

    #[test]
    fn keys_differ_by_any_octet_and_by_suite() {
        let suite = Suite::AesCm128HmacSha1_80;
        let reference = MasterKey::from_concatenated(suite, &[5; 30]).unwrap();
        for position in 0..30 {
            let mut octets = [5; 30];
            octets[position] ^= 1;
            let other = MasterKey::from_concatenated(suite, &octets).unwrap();
            assert!(!bool::from(reference.ct_eq(&other)), "octet {position}");
        }
        let other = MasterKey::from_concatenated(Suite::NullHmacSha1_80, &[5; 30]).unwrap();
        assert!(!bool::from(reference.ct_eq(&other)));
    }

    #[test]
    fn an_all_zero_key_is_recognised() {
        let suite = Suite::AeadAes256Gcm;
        let zero = MasterKey::from_concatenated(suite, &[0; 44]).unwrap();
        assert!(bool::from(zero.is_all_zero()));
        let mut octets = [0; 44];
        octets[43] = 1;
        let other = MasterKey::from_concatenated(suite, &octets).unwrap();
        assert!(!bool::from(other.is_all_zero()));
    }

    //= tests/spec/srtp.md#key-material
    //= type=test
    //# Key material MUST NOT appear in debug output.
    #[test]
    fn debug_shows_no_octet_of_the_key() {
        let key = |octets: &[u8]| {
            MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, octets).unwrap()
        };
        let shown = |octets: &[u8]| {
            format!("{:?} {:?}", IngressKey::new(key(octets)), EgressKey::new(key(octets)))
        };
        assert_eq!(shown(&[0xab; 30]), shown(&[0x17; 30]));
        assert!(shown(&[0xab; 30]).contains("MasterKey(redacted, 30 octets)"));
    }

    //= tests/spec/srtp.md#mki
    //= type=test
    //# An MKI of 1 to 128 octets MUST be accepted.
    #[test]
    fn an_mki_has_1_to_128_octets() {
        assert_eq!(Mki::new(&[]), Err(KeyError::MkiLength(0)));
        assert_eq!(Mki::new(&[1; 129]), Err(KeyError::MkiLength(129)));
        assert_eq!(Mki::new(&[0, 9]).unwrap().as_slice(), [0, 9]);
        assert_eq!(Mki::new(&[3; 128]).unwrap().as_slice(), [3; 128]);
        assert_ne!(Mki::new(&[0]).unwrap(), Mki::new(&[0, 0]).unwrap());
    }
}
