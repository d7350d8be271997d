//! AES in counter mode with HMAC-SHA1, and HMAC-SHA1 alone (RFC 3711 §4.1.1, §4.2.1, RFC 6188), in
//! two halves: the MAC between them is computed for many packets at once.

use agw_srtp::{CryptoFailure, Frame, Operation, ProtocolKeys};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Level;
use crate::aes::{self, CounterBlock, RoundKeys};
use crate::sha1::MacKey;

/// Octets of the longest key.
const MAX_KEY: usize = 32;

/// Cipher and MAC of SRTP or SRTCP.
pub(crate) trait StreamCipher {
    /// The key of the MAC.
    fn mac(&self) -> &MacKey;

    /// Encrypts or decrypts `octets` of the packet, which follow those in the clear.
    fn apply_keystream(&self, level: Level, frame: &Frame<'_>, clear: &[u8], octets: &mut [u8]);
}

/// Keys expanded; `KEYS` is 11 for AES-128, 13 for AES-192, 15 for AES-256.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct Expanded<const KEYS: usize> {
    mac: MacKey,
    /// As the number that it is the upper 112 bits of.
    salt: u128,
    round_keys: RoundKeys<KEYS>,
}

/// Keys for packets that are rare: the cipher's is expanded for each, and takes little room.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Compact<const KEYS: usize> {
    cipher: [u8; MAX_KEY],
    mac: MacKey,
    /// As the number that it is the upper 112 bits of.
    salt: u128,
}

impl<const KEYS: usize> Expanded<KEYS> {
    pub(crate) fn new(level: Level, keys: &ProtocolKeys) -> Self {
        Self {
            round_keys: RoundKeys::new(keys.cipher()),
            mac: MacKey::new(level, keys.authentication()),
            salt: salt(keys),
        }
    }
}

impl<const KEYS: usize> Compact<KEYS> {
    pub(crate) fn new(level: Level, keys: &ProtocolKeys) -> Self {
        let mut compact = Self {
            cipher: [0; MAX_KEY],
            mac: MacKey::new(level, keys.authentication()),
            salt: salt(keys),
        };
        for (to, from) in compact.cipher.iter_mut().zip(keys.cipher()) {
            *to = *from;
        }
        compact
    }
}

impl<const KEYS: usize> StreamCipher for Expanded<KEYS> {
    fn mac(&self) -> &MacKey {
        &self.mac
    }

    fn apply_keystream(&self, level: Level, frame: &Frame<'_>, _clear: &[u8], octets: &mut [u8]) {
        aes::apply_keystream(level, &self.round_keys, first_counter(self.salt, frame), octets);
    }
}

impl<const KEYS: usize> StreamCipher for Compact<KEYS> {
    fn mac(&self) -> &MacKey {
        &self.mac
    }

    fn apply_keystream(&self, level: Level, frame: &Frame<'_>, _clear: &[u8], octets: &mut [u8]) {
        let key = self.cipher.get(..RoundKeys::<KEYS>::KEY_OCTETS).unwrap_or_default();
        let round_keys = RoundKeys::<KEYS>::new(key);
        aes::apply_keystream(level, &round_keys, first_counter(self.salt, frame), octets);
    }
}

/// What is done to a packet before its MAC is computed: looks whether it can be done at all, and
/// to seal, encrypts and appends everything but the tag. Returns how many octets of the packet the
/// MAC covers.
///
/// # Errors
/// [`CryptoFailure::TooShort`] or [`CryptoFailure::NoRoom`]; the packet is as it was.
#[inline]
pub(crate) fn begin(
    keys: &dyn StreamCipher,
    level: Level,
    frame: &Frame<'_>,
    buffer: &mut [u8],
    octets: usize,
) -> Result<usize, CryptoFailure> {
    match frame.operation {
        Operation::ProtectSrtp | Operation::ProtectSrtcp => {
            encrypt(keys, level, frame, buffer, octets)
        }
        Operation::UnprotectSrtp | Operation::UnprotectSrtcp => octets
            .checked_sub(frame.trailer_len())
            .filter(|plain| *plain >= frame.clear_octets && octets <= buffer.len())
            .ok_or(CryptoFailure::TooShort),
    }
}

/// SRTP: packet, identifier, tag. SRTCP: packet, E flag and index, identifier, tag.
#[inline]
fn encrypt(
    keys: &dyn StreamCipher,
    level: Level,
    frame: &Frame<'_>,
    buffer: &mut [u8],
    octets: usize,
) -> Result<usize, CryptoFailure> {
    if octets < frame.clear_octets {
        return Err(CryptoFailure::TooShort);
    }
    let sealed = buffer.get_mut(..octets + frame.trailer_len()).ok_or(CryptoFailure::NoRoom)?;
    let (packet, trailer) = sealed.split_at_mut(octets);
    cipher(keys, level, frame, packet);
    let (word, trailer) = trailer.split_at_mut(trailer.len() - frame.tag_len() - frame.mki.len());
    if let Some(word) = word.first_chunk_mut() {
        *word = frame.srtcp_word.to_be_bytes();
    }
    if let Some(mki) = trailer.get_mut(..frame.mki.len()).filter(|mki| !mki.is_empty()) {
        mki.copy_from_slice(frame.mki);
    }
    Ok(octets)
}

/// What is done to a packet when its MAC is known: puts the tag in its place, or compares the two
/// and decrypts. Returns the packet's new length.
///
/// # Errors
/// [`CryptoFailure::Authentication`]; the packet is as it was.
#[inline]
pub(crate) fn finish(
    keys: &dyn StreamCipher,
    level: Level,
    frame: &Frame<'_>,
    buffer: &mut [u8],
    octets: usize,
    mac: &[u8; 20],
) -> Result<usize, CryptoFailure> {
    let tag = mac.get(..frame.tag_len()).unwrap_or_default();
    match frame.operation {
        Operation::ProtectSrtp | Operation::ProtectSrtcp => {
            let total = octets + frame.trailer_len();
            let sealed = buffer.get_mut(..total).ok_or(CryptoFailure::NoRoom)?;
            let (_, place) = sealed.split_at_mut(total - tag.len());
            // One of the two lengths there are, so that the copy is an instruction.
            match (place.as_mut_array::<10>(), tag.first_chunk()) {
                (Some(place), Some(tag)) => *place = *tag,
                (Some(_) | None, Some(_) | None) => place.copy_from_slice(tag),
            }
            Ok(total)
        }
        Operation::UnprotectSrtp | Operation::UnprotectSrtcp => {
            let sealed = buffer.get_mut(..octets).ok_or(CryptoFailure::TooShort)?;
            let (rest, received) = sealed.split_at_mut(octets - tag.len());
            //= tests/spec/srtp.md#order-of-checks
            //# Plaintext MUST NOT be released before the tag is verified.
            if !bool::from(is_same(tag, received)) {
                return Err(CryptoFailure::Authentication);
            }
            let plain_octets = octets - frame.trailer_len();
            let packet = rest.get_mut(..plain_octets).ok_or(CryptoFailure::TooShort)?;
            cipher(keys, level, frame, packet);
            Ok(plain_octets)
        }
    }
}

/// What the MAC covers behind the packet: for SRTCP what is sent there, for SRTP what both ends
/// know, the rollover counter.
#[inline]
pub(crate) fn appendix(frame: &Frame<'_>) -> u32 {
    match frame.operation {
        Operation::ProtectSrtp | Operation::UnprotectSrtp => frame.roc(),
        Operation::ProtectSrtcp | Operation::UnprotectSrtcp => frame.srtcp_word,
    }
}

/// Encrypts or decrypts what is not in the clear.
#[inline]
fn cipher(keys: &dyn StreamCipher, level: Level, frame: &Frame<'_>, packet: &mut [u8]) {
    //= tests/spec/srtp.md#packet-forms
    //# Padding MUST be inside the encrypted part.
    if let (true, Some((clear, octets))) =
        (frame.encrypted, packet.split_at_mut_checked(frame.clear_octets))
    {
        keys.apply_keystream(level, frame, clear, octets);
    }
}

/// k_s × 2^16, RFC 3711 §4.1.1.
fn salt(keys: &ProtocolKeys) -> u128 {
    keys.salt().iter().fold(0, |salt, octet| salt << 8 | u128::from(*octet)) << 16
}

/// (k_s × 2^16) ⊕ (SSRC × 2^64) ⊕ (i × 2^16), RFC 3711 §4.1.1.
#[inline]
fn first_counter(salt: u128, frame: &Frame<'_>) -> CounterBlock {
    CounterBlock(salt ^ u128::from(frame.ssrc.0) << 64 ^ u128::from(frame.index) << 16)
}

/// Whether two tags of the same length are the same, in constant time: as two words that overlap,
/// unless they are shorter than one.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> Choice {
    //= tests/spec/srtp.md#order-of-checks
    //# Tags MUST be compared in constant time.
    match (ends(one), ends(other)) {
        (Some([a, b]), Some([c, d])) if one.len() == other.len() => a.ct_eq(&c) & b.ct_eq(&d),
        (Some(_) | None, Some(_) | None) => one.ct_eq(other),
    }
}

/// The first and the last eight octets of a tag, which are all of one with eight to sixteen.
#[inline]
fn ends(tag: &[u8]) -> Option<[u64; 2]> {
    let (first, last) = (tag.first_chunk()?, tag.last_chunk()?);
    (tag.len() <= 16).then(|| [u64::from_le_bytes(*first), u64::from_le_bytes(*last)])
}
