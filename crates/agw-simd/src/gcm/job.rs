//! Packets of RFC 7714, in the forms of `agw-srtp`'s portable engine.

use agw_srtp::{CryptoFailure, Frame, Operation, ProtocolKeys};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{BadTag, FirstCounter, GcmKey, NONCE, TAG};
use crate::Level;
use crate::aes::RoundKeys;
use crate::keys::GaloisMode;

/// Octets of E flag and SRTCP index.
const WORD: usize = 4;

/// Clear octets and SRTCP word, the associated data of an encrypted SRTCP packet.
const SRTCP_AAD: usize = 12;

/// Octets of the longest key.
const MAX_KEY: usize = 32;

/// Cipher of SRTP or SRTCP, expanded. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct Galois<const KEYS: usize> {
    key: GcmKey<KEYS>,
    salt: [u8; NONCE],
}

/// The same in a tenth of the room, for packets that are rare: expanded for each. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct CompactGalois<const KEYS: usize> {
    key: [u8; MAX_KEY],
    salt: [u8; NONCE],
}

impl<const KEYS: usize> Galois<KEYS> {
    pub(crate) fn new(keys: &ProtocolKeys) -> Self {
        Self { key: GcmKey::new(keys.cipher()), salt: salt(keys) }
    }
}

impl<const KEYS: usize> GaloisMode for Galois<KEYS> {
    #[inline]
    fn seal(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        Transform { level, key: &self.key, salt: &self.salt }.seal(frame, buffer, octets)
    }

    #[inline]
    fn open(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        Transform { level, key: &self.key, salt: &self.salt }.open(frame, buffer, octets)
    }
}

impl<const KEYS: usize> CompactGalois<KEYS> {
    pub(crate) fn new(keys: &ProtocolKeys) -> Self {
        let mut compact = Self { key: [0; MAX_KEY], salt: salt(keys) };
        for (to, from) in compact.key.iter_mut().zip(keys.cipher()) {
            *to = *from;
        }
        compact
    }

    fn expand(&self) -> GcmKey<KEYS> {
        GcmKey::new(self.key.get(..RoundKeys::<KEYS>::KEY_OCTETS).unwrap_or_default())
    }
}

impl<const KEYS: usize> GaloisMode for CompactGalois<KEYS> {
    fn seal(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let key = self.expand();
        Transform { level, key: &key, salt: &self.salt }.seal(frame, buffer, octets)
    }

    fn open(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let key = self.expand();
        Transform { level, key: &key, salt: &self.salt }.open(frame, buffer, octets)
    }
}

fn salt(keys: &ProtocolKeys) -> [u8; NONCE] {
    let mut salt = [0; NONCE];
    for (to, from) in salt.iter_mut().zip(keys.salt()) {
        *to = *from;
    }
    salt
}

/// Key and salt of a packet, and the kernel for it.
struct Transform<'a, const KEYS: usize> {
    level: Level,
    key: &'a GcmKey<KEYS>,
    salt: &'a [u8; NONCE],
}

impl<const KEYS: usize> Transform<'_, KEYS> {
    #[inline]
    fn seal(
        &self,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let total = octets + frame.trailer_len();
        if octets < frame.clear_octets {
            return Err(CryptoFailure::TooShort);
        }
        let sealed = buffer.get_mut(..total).ok_or(CryptoFailure::NoRoom)?;
        let (rest, mki) = sealed.split_at_mut(total - frame.mki.len());
        mki.copy_from_slice(frame.mki);
        let tag = match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => {
                let packet = rest.get_mut(..octets).ok_or(CryptoFailure::TooShort)?;
                let clear = if frame.encrypted { frame.clear_octets } else { octets };
                let (clear, secret) = packet.split_at_mut(clear);
                self.encrypt(frame, clear, secret)
            }
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => {
                let authentic = rest.get_mut(..octets + WORD).ok_or(CryptoFailure::TooShort)?;
                let tag = self.seal_srtcp(frame, authentic);
                if let Some(word) = rest.last_chunk_mut::<WORD>() {
                    *word = frame.srtcp_word.to_be_bytes();
                }
                tag
            }
        };
        let place = rest.get_mut(octets..).and_then(<[u8]>::first_chunk_mut);
        *place.ok_or(CryptoFailure::NoRoom)? = tag;
        Ok(total)
    }

    /// Seals a packet that has room for the word behind it.
    fn seal_srtcp(&self, frame: &Frame<'_>, authentic: &mut [u8]) -> [u8; TAG] {
        if let Some(word) = authentic.last_chunk_mut::<WORD>() {
            *word = frame.srtcp_word.to_be_bytes();
        }
        if !frame.encrypted {
            //= tests/spec/srtp.md#e-bit
            //# Unencrypted SRTCP under GCM MUST carry a tag over the whole packet.
            return self.encrypt(frame, authentic, &mut []);
        }
        let octets = authentic.len() - WORD;
        let secret = authentic.get_mut(..octets).unwrap_or_default();
        let (clear, secret) = secret.split_at_mut(frame.clear_octets);
        self.encrypt(frame, &srtcp_aad(frame, clear), secret)
    }

    #[inline]
    fn open(
        &self,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let plain_octets = octets
            .checked_sub(frame.trailer_len())
            .filter(|plain| *plain >= frame.clear_octets)
            .ok_or(CryptoFailure::TooShort)?;
        let sealed = buffer.get_mut(..octets).ok_or(CryptoFailure::TooShort)?;
        let (packet, trailer) = sealed.split_at_mut(plain_octets);
        let tag_place = trailer.first_chunk_mut::<TAG>().ok_or(CryptoFailure::TooShort)?;
        let tag = *tag_place;
        match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => {
                let clear = if frame.encrypted { frame.clear_octets } else { plain_octets };
                let (clear, secret) = packet.split_at_mut(clear);
                //= tests/spec/srtp.md#order-of-checks
                //# Plaintext MUST NOT be released before the tag is verified.
                self.decrypt(frame, clear, secret, &tag)?;
            }
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp if frame.encrypted => {
                let (clear, secret) = packet.split_at_mut(frame.clear_octets);
                self.decrypt(frame, &srtcp_aad(frame, clear), secret, &tag)?;
            }
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => {
                self.verify_srtcp(frame, sealed, plain_octets, &tag)?;
            }
        }
        Ok(plain_octets)
    }

    /// Verifies a packet that is not encrypted. The associated data is the packet and the word,
    /// which the tag stands between: the word takes the tag's place until the verdict.
    fn verify_srtcp(
        &self,
        frame: &Frame<'_>,
        sealed: &mut [u8],
        plain_octets: usize,
        tag: &[u8; TAG],
    ) -> Result<(), CryptoFailure> {
        let authentic = sealed.get_mut(..plain_octets + WORD).ok_or(CryptoFailure::TooShort)?;
        if let Some(word) = authentic.last_chunk_mut() {
            *word = frame.srtcp_word.to_be_bytes();
        }
        let verdict = self.decrypt(frame, authentic, &mut [], tag);
        let place = sealed.get_mut(plain_octets..).and_then(<[u8]>::first_chunk_mut);
        *place.ok_or(CryptoFailure::TooShort)? = *tag;
        verdict
    }

    #[inline]
    fn encrypt(&self, frame: &Frame<'_>, clear: &[u8], secret: &mut [u8]) -> [u8; TAG] {
        super::seal(self.level, self.key, self.first_counter(frame), clear, secret)
    }

    #[inline]
    fn decrypt(
        &self,
        frame: &Frame<'_>,
        clear: &[u8],
        secret: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), CryptoFailure> {
        super::open(self.level, self.key, self.first_counter(frame), clear, secret, tag)
            .map_err(|BadTag| CryptoFailure::Authentication)
    }

    /// The nonce is 00 00, SSRC, 48-bit index, exclusive-or the salt; the SRTCP index has 31 bits
    /// (RFC 7714 §8.1, §9.1).
    #[inline]
    fn first_counter(&self, frame: &Frame<'_>) -> FirstCounter {
        FirstCounter::new(self.salt, u128::from(frame.ssrc.0) << 48 ^ u128::from(frame.index))
    }
}

/// The first eight octets and the word with E flag and index (RFC 7714 §9.2).
fn srtcp_aad(frame: &Frame<'_>, clear: &[u8]) -> [u8; SRTCP_AAD] {
    let mut aad = [0; SRTCP_AAD];
    let word = frame.srtcp_word.to_be_bytes();
    for (to, from) in aad.iter_mut().zip(clear.iter().chain(&word)) {
        *to = *from;
    }
    aad
}

#[cfg(test)]
mod tests;
