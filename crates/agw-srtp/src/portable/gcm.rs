//! AES in Galois/counter mode (RFC 7714).

use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};
use zeroize::Zeroizing;

use crate::CryptoFailure;
use crate::engine::{Frame, Operation};
use crate::kdf::ProtocolKeys;

//= tests/spec/srtp.md#transforms
//# A GCM tag MUST be 16 octets long.
const TAG_OCTETS: usize = 16;
const WORD_OCTETS: usize = 4;
/// Clear octets and SRTCP word, the associated data of an encrypted SRTCP packet.
const SRTCP_AAD_OCTETS: usize = 12;

/// Cipher of SRTP or SRTCP.
pub(crate) struct Galois {
    key: GcmKey,
    salt: Zeroizing<[u8; 12]>,
}

enum GcmKey {
    Aes128(AesGcm<Aes128Enc, U12>),
    Aes256(AesGcm<Aes256Enc, U12>),
}

impl Galois {
    pub(super) fn new(keys: &ProtocolKeys) -> Self {
        let mut salt = Zeroizing::new([0; 12]);
        for (to, from) in salt.iter_mut().zip(keys.salt()) {
            *to = *from;
        }
        Self { key: GcmKey::new(keys.cipher()), salt }
    }

    /// SRTP: packet, tag, identifier. SRTCP: packet, tag, E flag and index, identifier.
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
        let (rest, mki) = sealed.split_at_mut(total - frame.mki.len());
        mki.copy_from_slice(frame.mki);
        let tag = match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => {
                let packet = rest.get_mut(..octets).ok_or(CryptoFailure::TooShort)?;
                let clear = if frame.encrypted { frame.clear_octets } else { octets };
                let (clear, secret) = packet.split_at_mut(clear);
                self.encrypt(frame, clear, secret)?
            }
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => {
                let authentic =
                    rest.get_mut(..octets + WORD_OCTETS).ok_or(CryptoFailure::TooShort)?;
                let tag = self.seal_srtcp(frame, authentic)?;
                if let Some(word) = rest.last_chunk_mut::<WORD_OCTETS>() {
                    *word = frame.srtcp_word.to_be_bytes();
                }
                tag
            }
        };
        let place = rest.get_mut(octets..).and_then(<[u8]>::first_chunk_mut);
        *place.ok_or(CryptoFailure::NoRoom)? = tag;
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
        let (packet, trailer) = sealed.split_at_mut(plain_octets);
        let tag_place = trailer.first_chunk_mut::<TAG_OCTETS>().ok_or(CryptoFailure::TooShort)?;
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
                // The associated data is the packet and the word, which the tag stands between:
                // the word takes the tag's place until the verdict.
                for (to, from) in tag_place.iter_mut().zip(frame.srtcp_word.to_be_bytes()) {
                    *to = from;
                }
                let authentic =
                    sealed.get(..plain_octets + WORD_OCTETS).ok_or(CryptoFailure::TooShort)?;
                let verdict = self.decrypt(frame, authentic, &mut [], &tag);
                let place = sealed.get_mut(plain_octets..).and_then(<[u8]>::first_chunk_mut);
                *place.ok_or(CryptoFailure::TooShort)? = tag;
                verdict?;
            }
        }
        Ok(plain_octets)
    }

    /// Seals a packet that has room for the word behind it.
    fn seal_srtcp(
        &self,
        frame: &Frame<'_>,
        authentic: &mut [u8],
    ) -> Result<[u8; TAG_OCTETS], CryptoFailure> {
        if let Some(word) = authentic.last_chunk_mut::<WORD_OCTETS>() {
            *word = frame.srtcp_word.to_be_bytes();
        }
        if !frame.encrypted {
            //= tests/spec/srtp.md#e-bit
            //# Unencrypted SRTCP under GCM MUST carry a tag over the whole packet.
            return self.encrypt(frame, authentic, &mut []);
        }
        let octets = authentic.len() - WORD_OCTETS;
        let secret = authentic.get_mut(..octets).unwrap_or_default();
        let (clear, secret) = secret.split_at_mut(frame.clear_octets);
        self.encrypt(frame, &srtcp_aad(frame, clear), secret)
    }

    fn encrypt(
        &self,
        frame: &Frame<'_>,
        clear: &[u8],
        secret: &mut [u8],
    ) -> Result<[u8; TAG_OCTETS], CryptoFailure> {
        let nonce = self.nonce(frame).into();
        let tag = match &self.key {
            GcmKey::Aes128(key) => key.encrypt_inout_detached(&nonce, clear, secret.into()),
            GcmKey::Aes256(key) => key.encrypt_inout_detached(&nonce, clear, secret.into()),
        };
        // GCM refuses packets of 64 GiB only.
        tag.map(Into::into).map_err(|_| CryptoFailure::NoRoom)
    }

    fn decrypt(
        &self,
        frame: &Frame<'_>,
        clear: &[u8],
        secret: &mut [u8],
        tag: &[u8; TAG_OCTETS],
    ) -> Result<(), CryptoFailure> {
        let nonce = self.nonce(frame).into();
        let tag = tag.into();
        match &self.key {
            GcmKey::Aes128(key) => key.decrypt_inout_detached(&nonce, clear, secret.into(), tag),
            GcmKey::Aes256(key) => key.decrypt_inout_detached(&nonce, clear, secret.into(), tag),
        }
        .map_err(|_| CryptoFailure::Authentication)
    }

    /// 00 00, SSRC, 48-bit index, exclusive-or the salt; the SRTCP index has 31 bits
    /// (RFC 7714 §8.1, §9.1).
    fn nonce(&self, frame: &Frame<'_>) -> [u8; 12] {
        //= tests/spec/srtp.md#transforms
        //# The GCM IV MUST be made of session salt, SSRC and packet index, and the header MUST be
        //# associated data.
        let position = u128::from(frame.ssrc.0) << 48 ^ u128::from(frame.index);
        let mut nonce = *self.salt;
        for (to, from) in nonce.iter_mut().zip(position.to_be_bytes().into_iter().skip(4)) {
            *to ^= from;
        }
        nonce
    }
}

impl GcmKey {
    fn new(key: &[u8]) -> Self {
        if let Ok(key) = key.try_into() {
            return Self::Aes256(AesGcm::new(key));
        }
        let mut padded = Zeroizing::new([0; 16]);
        for (to, from) in padded.iter_mut().zip(key) {
            *to = *from;
        }
        Self::Aes128(AesGcm::new((&*padded).into()))
    }
}

/// The first eight octets and the word with E flag and index (RFC 7714 §9.2).
fn srtcp_aad(frame: &Frame<'_>, clear: &[u8]) -> [u8; SRTCP_AAD_OCTETS] {
    let mut aad = [0; SRTCP_AAD_OCTETS];
    let word = frame.srtcp_word.to_be_bytes();
    for (to, from) in aad.iter_mut().zip(clear.iter().chain(&word)) {
        *to = *from;
    }
    aad
}
