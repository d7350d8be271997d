//! One `inline:` key of a crypto line, and the rules among several.

use agw_srtp::{EgressKey, IngressKey, Lifetime, MasterKey, Mki, Suite};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Mode;
use crate::decimal::{parse_lifetime, parse_mki, print_lifetime, print_mki};
use crate::error::{Field, Rule, SdesError};

/// No offer has more; with it, comparing every key with every other stays cheap.
pub(crate) const MAX_KEYS: usize = 16;
/// 256-bit key and 112-bit salt.
const MAX_KEY_OCTETS: usize = 46;
/// The same in base64, with padding.
const MAX_KEY_CHARACTERS: usize = 64;
/// `;inline:`, key, `|`, twenty digits, `|`, 309 digits, `:128`.
pub(crate) const MAX_PRINTED_KEY: usize = 8 + MAX_KEY_CHARACTERS + 21 + 1 + 309 + 4;

//= tests/spec/sdes.md#keys
//# Base64 with and without padding MUST be accepted.
const PADDING_MAY_LACK: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STRICT: GeneralPurpose = GeneralPurpose::new(&STANDARD, PADDING_MAY_LACK);
const TOLERANT: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, PADDING_MAY_LACK.with_decode_allow_trailing_bits(true));

/// A master key with salt, and optionally its lifetime and master key identifier
/// (RFC 4568 §6.1).
#[derive(Debug)]
pub struct InlineKey {
    master: MasterKey,
    lifetime: Option<u64>,
    mki: Option<Mki>,
}

impl InlineKey {
    /// A key with the suite's default lifetime and no MKI.
    pub const fn new(master: MasterKey) -> Self {
        Self { master, lifetime: None, mki: None }
    }

    /// Makes a fresh key; `random` fills a buffer with unpredictable octets.
    ///
    /// # Errors
    /// [`Rule::KeyLength`] if the SRTP engine refuses the key.
    pub fn generate(suite: Suite, random: &mut impl FnMut(&mut [u8])) -> Result<Self, SdesError> {
        let expected = suite.key_len() + suite.salt_len();
        let refused = SdesError::new(Field::KeyInfo, Rule::KeyLength { expected });
        let mut buffer = Zeroizing::new([0_u8; MAX_KEY_OCTETS]);
        let octets = buffer.get_mut(..expected).ok_or(refused)?;
        random(octets);
        let master = MasterKey::from_concatenated(suite, octets).map_err(|_| refused)?;
        Ok(Self::new(master))
    }

    /// Limits the key to `packets` SRTP and as many SRTCP packets.
    ///
    /// # Errors
    /// [`Rule::LifetimeForm`] for zero, [`Rule::LifetimeTooLong`] beyond the suite's maximum.
    pub fn with_lifetime(mut self, packets: u64) -> Result<Self, SdesError> {
        let maximum = self.master.suite().max_lifetime().srtp;
        //= tests/spec/sdes.md#lifetime
        //# A lifetime of zero MUST be refused.
        if packets == 0 {
            return Err(SdesError::new(Field::Lifetime, Rule::LifetimeForm));
        }
        //= tests/spec/sdes.md#lifetime
        //# A lifetime above the maximum of the suite MUST make the line invalid.
        if packets > maximum {
            return Err(SdesError::new(Field::Lifetime, Rule::LifetimeTooLong { maximum }));
        }
        self.lifetime = Some(packets);
        Ok(self)
    }

    /// Gives the key an identifier that every packet then carries.
    #[must_use]
    pub const fn with_mki(mut self, mki: Mki) -> Self {
        self.mki = Some(mki);
        self
    }

    /// The master key with its salt.
    pub const fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The lifetime on the line, in packets; [`None`] means the suite's default.
    pub const fn lifetime(&self) -> Option<u64> {
        self.lifetime
    }

    /// The master key identifier.
    pub const fn mki(&self) -> Option<Mki> {
        self.mki
    }

    /// Whether both have the same master key, whatever suite or salt; in constant time.
    pub fn is_same_key(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.master.suite().key_len(), other.master.suite().key_len());
        self.master.expose(|a| {
            other.master.expose(|b| match (a.get(..ours), b.get(..theirs)) {
                (Some(a), Some(b)) => bool::from(a.ct_eq(b)),
                (None, _) | (_, None) => false,
            })
        })
    }

    pub(crate) fn parse(text: &str, suite: Suite, mode: Mode) -> Result<Self, SdesError> {
        let Some((method, info)) = text.split_once(':') else {
            return Err(SdesError::new(Field::KeyMethod, Rule::Missing));
        };
        if !method.eq_ignore_ascii_case("inline") {
            return Err(SdesError::new(Field::KeyMethod, Rule::KeyMethod));
        }
        let mut parts = info.split('|');
        let key_salt = parts.next().unwrap_or_default();
        let mut key = Self::new(decode(key_salt, suite, mode)?);
        // A lifetime has no colon and an MKI always has one: either may stand alone.
        let mut next = parts.next();
        //= tests/spec/sdes.md#lifetime
        //# The first optional field MUST be read as an MKI when it has a colon.
        if let Some(text) = next.filter(|text| !text.contains(':')) {
            let refused = |rule| SdesError::new(Field::Lifetime, rule);
            key = key.with_lifetime(parse_lifetime(text).map_err(refused)?)?;
            next = parts.next();
        }
        if let Some(text) = next {
            let refused = |rule| SdesError::new(Field::Mki, rule);
            key.mki = Some(parse_mki(text, mode).map_err(refused)?);
        }
        if parts.next().is_some() {
            return Err(SdesError::new(Field::KeyInfo, Rule::KeyInfoOrder));
        }
        Ok(key)
    }

    /// Appends `inline:…`; `line` must have room for it, so that it is not copied unwiped.
    pub(crate) fn expose_on(&self, line: &mut String) {
        let mut text = Zeroizing::new([0_u8; MAX_KEY_CHARACTERS]);
        let written = self.master.expose(|octets| {
            //= tests/spec/sdes.md#keys
            //# Base64 MUST be printed with padding.
            base64::engine::general_purpose::STANDARD.encode_slice(octets, text.as_mut_slice())
        });
        let encoded = written.ok().and_then(|length| text.get(..length));
        line.push_str("inline:");
        line.push_str(encoded.and_then(|text| str::from_utf8(text).ok()).unwrap_or_default());
        if let Some(packets) = self.lifetime {
            line.push('|');
            line.push_str(&print_lifetime(packets));
        }
        if let Some(mki) = &self.mki {
            line.push('|');
            line.push_str(&print_mki(mki));
        }
    }

    pub(crate) fn into_ingress(self) -> IngressKey {
        let lifetime = self.effective_lifetime();
        IngressKey { master: self.master, mki: self.mki, lifetime }
    }

    pub(crate) fn into_egress(self) -> EgressKey {
        let lifetime = self.effective_lifetime();
        EgressKey { master: self.master, mki: self.mki, lifetime }
    }

    /// SRTP and SRTCP are counted apart, each up to the value on the line (RFC 4568 §6.1).
    fn effective_lifetime(&self) -> Lifetime {
        let Some(packets) = self.lifetime else {
            return self.master.suite().default_lifetime();
        };
        let maximum = self.master.suite().max_lifetime();
        Lifetime { srtp: maximum.srtp.min(packets), srtcp: maximum.srtcp.min(packets) }
    }
}

/// Reads `inline:…;inline:…`.
pub(crate) fn parse_keys(
    text: &str,
    suite: Suite,
    mode: Mode,
) -> Result<Vec<InlineKey>, SdesError> {
    let limit = SdesError::new(Field::KeyInfo, Rule::TooManyKeys { limit: MAX_KEYS });
    if text.bytes().filter(|c| *c == b';').count() >= MAX_KEYS {
        return Err(limit);
    }
    // Room from the start: a vector that grows leaves its keys behind unwiped.
    let mut keys = Vec::with_capacity(MAX_KEYS);
    for part in text.split(';') {
        keys.push(InlineKey::parse(part, suite, mode)?);
    }
    Ok(keys)
}

/// The rules for the keys that stand together: one suite, and MKIs that tell them apart.
pub(crate) fn check_keys(keys: &[InlineKey], suite: Suite) -> Result<(), SdesError> {
    if keys.is_empty() {
        return Err(SdesError::new(Field::KeyMethod, Rule::Missing));
    }
    if keys.len() > MAX_KEYS {
        return Err(SdesError::new(Field::KeyInfo, Rule::TooManyKeys { limit: MAX_KEYS }));
    }
    if keys.iter().any(|key| key.master.suite() != suite) {
        return Err(SdesError::new(Field::KeyInfo, Rule::SuiteMismatch));
    }
    let mut earlier: Vec<Mki> = Vec::with_capacity(keys.len());
    for key in keys.iter().filter(|_| keys.len() > 1) {
        let mki = key.mki.ok_or(SdesError::new(Field::Mki, Rule::MkiMissing))?;
        let length = mki.as_slice().len();
        if earlier.iter().any(|other| other.as_slice().len() != length) {
            //= tests/spec/sdes.md#mki
            //# With several keys every key MUST have an MKI of the same length.
            return Err(SdesError::new(Field::Mki, Rule::MkiLengthsDiffer));
        }
        if earlier.contains(&mki) {
            return Err(SdesError::new(Field::Mki, Rule::MkiRepeated));
        }
        earlier.push(mki);
    }
    Ok(())
}

fn decode(text: &str, suite: Suite, mode: Mode) -> Result<MasterKey, SdesError> {
    let expected = suite.key_len() + suite.salt_len();
    let wrong_length = SdesError::new(Field::KeyInfo, Rule::KeyLength { expected });
    if text.len() > MAX_KEY_CHARACTERS {
        return Err(wrong_length);
    }
    let engine = match mode {
        Mode::Strict => &STRICT,
        Mode::Tolerant => &TOLERANT,
    };
    let mut buffer = Zeroizing::new([0_u8; MAX_KEY_CHARACTERS / 4 * 3]);
    let length = engine
        .decode_slice(text, buffer.as_mut_slice())
        .map_err(|_| SdesError::new(Field::KeyInfo, Rule::Base64))?;
    let octets = buffer.get(..length).unwrap_or_default();
    //= tests/spec/sdes.md#keys
    //# The decoded length MUST equal key plus salt of the suite.
    MasterKey::from_concatenated(suite, octets).map_err(|_| wrong_length)
}
