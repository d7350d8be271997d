//! AES in counter mode with HMAC-SHA1, and HMAC-SHA1 alone (RFC 3711 §4.1.1, §4.2.1, RFC 6188).

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::CryptoFailure;
use crate::engine::{Frame, Operation};
use crate::kdf::ProtocolKeys;

/// An expanded AES key of any length. Wiped on drop by the `aes` crate.
pub(crate) enum AesKey {
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl AesKey {
    /// Expands a key of 16, 24 or 32 octets.
    pub(crate) fn new(key: &[u8]) -> Self {
        if let Ok(key) = key.try_into() {
            return Self::Aes256(Aes256Enc::new(key));
        }
        if let Ok(key) = key.try_into() {
            return Self::Aes192(Aes192Enc::new(key));
        }
        let mut padded = Zeroizing::new([0; 16]);
        for (to, from) in padded.iter_mut().zip(key) {
            *to = *from;
        }
        Self::Aes128(Aes128Enc::new((&*padded).into()))
    }

    /// Applies the keystream that starts at the counter block `iv`, whose last 16 bits count
    /// blocks: at most 2^16 blocks for one packet (RFC 3711 §4.1.1).
    pub(crate) fn apply_keystream(&self, iv: &[u8; 16], octets: &mut [u8]) {
        let iv = iv.into();
        match self {
            Self::Aes128(key) => {
                CtrCore::<_, Ctr32BE>::inner_iv_init(key, iv).apply_keystream_partial(octets.into())
            }
            Self::Aes192(key) => {
                CtrCore::<_, Ctr32BE>::inner_iv_init(key, iv).apply_keystream_partial(octets.into())
            }
            Self::Aes256(key) => {
                CtrCore::<_, Ctr32BE>::inner_iv_init(key, iv).apply_keystream_partial(octets.into())
            }
        }
    }
}

/// Cipher and MAC of SRTP or SRTCP.
pub(crate) struct CounterMode {
    cipher: AesKey,
    salt: Zeroizing<[u8; 14]>,
    mac: Hmac<Sha1>,
}

impl CounterMode {
    pub(super) fn new(keys: &ProtocolKeys) -> Self {
        Self {
            cipher: AesKey::new(keys.cipher()),
            salt: Zeroizing::new(*keys.salt()),
            mac: <Hmac<Sha1> as KeyInit>::new((&*padded_block(keys.authentication())).into()),
        }
    }

    /// SRTP: packet, identifier, tag. SRTCP: packet, E flag and index, identifier, tag.
    pub(super) fn seal(
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
        let (packet, trailer) = sealed.split_at_mut(octets);
        //= tests/spec/srtp.md#transforms
        //# Sealing MUST encrypt before it authenticates.
        self.cipher(frame, packet);
        let (word, trailer) =
            trailer.split_at_mut(trailer.len() - frame.tag_len() - frame.mki.len());
        if let Some(word) = word.first_chunk_mut::<4>() {
            *word = frame.srtcp_word.to_be_bytes();
        }
        let (mki, tag) = trailer.split_at_mut(frame.mki.len());
        mki.copy_from_slice(frame.mki);
        for (to, from) in tag.iter_mut().zip(self.tag(frame, packet)) {
            *to = from;
        }
        Ok(total)
    }

    /// Verifies, then decrypts; leaves the packet alone if the tag is wrong.
    pub(super) fn open(
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
        let (rest, tag) = sealed.split_at_mut(octets - frame.tag_len());
        let packet = rest.get_mut(..plain_octets).ok_or(CryptoFailure::TooShort)?;
        //= tests/spec/srtp.md#suites
        //# SRTCP MUST always be authenticated.
        let expected = self.tag(frame, packet);
        let expected = expected.get(..tag.len()).unwrap_or_default();
        //= tests/spec/srtp.md#order-of-checks
        //# Plaintext MUST NOT be released before the tag is verified.
        //= tests/spec/srtp.md#order-of-checks
        //# Tags MUST be compared in constant time.
        if !bool::from(expected.ct_eq(tag)) {
            return Err(CryptoFailure::Authentication);
        }
        self.cipher(frame, packet);
        Ok(plain_octets)
    }

    /// Encrypts or decrypts what is not in the clear.
    fn cipher(&self, frame: &Frame<'_>, packet: &mut [u8]) {
        //= tests/spec/srtp.md#packet-forms
        //# Padding MUST be inside the encrypted part.
        if let (true, Some(octets)) = (frame.encrypted, packet.get_mut(frame.clear_octets..)) {
            self.cipher.apply_keystream(&self.iv(frame), octets);
        }
    }

    /// (k_s × 2^16) ⊕ (SSRC × 2^64) ⊕ (i × 2^16), RFC 3711 §4.1.1.
    fn iv(&self, frame: &Frame<'_>) -> [u8; 16] {
        let mut salt = [0; 16];
        for (to, from) in salt.iter_mut().zip(self.salt.iter()) {
            *to = *from;
        }
        //= tests/spec/srtp.md#transforms
        //# The keystream MUST be AES in counter mode from an IV of session salt, SSRC and packet index.
        let position = u128::from(frame.ssrc.0) << 64 ^ u128::from(frame.index) << 16;
        (u128::from_be_bytes(salt) ^ position).to_be_bytes()
    }

    /// The MAC covers the packet and what follows it on the wire for SRTCP, or is known to both
    /// ends for SRTP: the rollover counter. The identifier is outside (RFC 3711 §4.2).
    fn tag(&self, frame: &Frame<'_>, packet: &[u8]) -> [u8; 20] {
        let appendix = match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => frame.roc(),
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => frame.srtcp_word,
        };
        //= tests/spec/srtp.md#packet-forms
        //# The authentication tag MUST NOT cover the MKI.
        //= tests/spec/srtp.md#transforms
        //# The tag MUST be the left-most bits of an HMAC-SHA1 over the packet and, for SRTP, its rollover
        //# counter.
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(&appendix.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// HMAC pads a short key with zeros to a block of 64 octets (RFC 2104).
fn padded_block(key: &[u8; 20]) -> Zeroizing<[u8; 64]> {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}
