//! AES in counter mode (RFC 3711 §4.1.1, RFC 6188).

use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use zeroize::Zeroizing;

use super::hmac_sha1::Cipher;
use crate::engine::Frame;
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

/// The cipher of SRTP or SRTCP.
pub(crate) struct CounterMode {
    key: AesKey,
    salt: Zeroizing<[u8; 14]>,
}

impl Cipher for CounterMode {
    fn new(keys: &ProtocolKeys) -> Self {
        Self { key: AesKey::new(keys.cipher()), salt: Zeroizing::new(*keys.salt()) }
    }

    fn apply(&self, frame: &Frame<'_>, _clear: &[u8], octets: &mut [u8]) {
        self.key.apply_keystream(&self.iv(frame), octets);
    }
}

impl CounterMode {
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
}
