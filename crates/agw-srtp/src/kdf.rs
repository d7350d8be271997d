//! Key derivation (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11).

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::portable::AesKey;
use crate::{MasterKey, Suite};

const MAX_KEY_OCTETS: usize = 32;
const SALT_OCTETS: usize = 14;
const AUTH_OCTETS: usize = 20;

//= tests/spec/srtp.md#key-derivation
//# The label MUST land in octet 7 of the 14-octet salt.
/// Where the label lands in the 112-bit salt when the key derivation rate is 0: byte 7, because
/// the index that follows it has 48 bits. SRTCP keeps the place although its index is shorter.
const LABEL_POSITION: usize = 7;

/// The session keys of one master key. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionKeys {
    /// Keys for SRTP.
    pub srtp: ProtocolKeys,
    /// Keys for SRTCP.
    pub srtcp: ProtocolKeys,
}

/// Session keys of SRTP or of SRTCP. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ProtocolKeys {
    cipher: [u8; MAX_KEY_OCTETS],
    cipher_octets: usize,
    salt: [u8; SALT_OCTETS],
    authentication: [u8; AUTH_OCTETS],
}

impl SessionKeys {
    /// Derives all session keys; the pseudo-random function is AES in counter mode with a key as
    /// long as the suite's (RFC 6188 §3.1).
    #[must_use]
    pub fn derive(master: &MasterKey) -> Self {
        //= tests/spec/srtp.md#key-derivation
        //# A suite with 192-bit or 256-bit keys MUST derive with AES of that key length.
        let prf = AesKey::new(master.key());
        let salt = master.padded_salt();
        Self {
            //= tests/spec/srtp.md#key-derivation
            //# Session keys MUST be derived with labels 0 to 2 for SRTP and 3 to 5 for SRTCP.
            srtp: ProtocolKeys::derive(&prf, &salt, master.suite(), 0),
            srtcp: ProtocolKeys::derive(&prf, &salt, master.suite(), 3),
        }
    }
}

impl ProtocolKeys {
    /// The session encryption key, as long as the suite's master key.
    #[must_use]
    pub fn cipher(&self) -> &[u8] {
        self.cipher.get(..self.cipher_octets).unwrap_or_default()
    }

    /// The session salt; AEAD suites use its first 12 octets.
    #[must_use]
    pub fn salt(&self) -> &[u8; SALT_OCTETS] {
        &self.salt
    }

    /// The session authentication key; AEAD suites have no use for it.
    #[must_use]
    pub fn authentication(&self) -> &[u8; AUTH_OCTETS] {
        &self.authentication
    }

    fn derive(prf: &AesKey, salt: &[u8; SALT_OCTETS], suite: Suite, first_label: u8) -> Self {
        let mut keys = Self {
            cipher: [0; MAX_KEY_OCTETS],
            cipher_octets: suite.key_len(),
            salt: [0; SALT_OCTETS],
            authentication: [0; AUTH_OCTETS],
        };
        if let Some(cipher) = keys.cipher.get_mut(..suite.key_len()) {
            expand_label(prf, salt, first_label, cipher);
        }
        expand_label(prf, salt, first_label + 1, &mut keys.authentication);
        expand_label(prf, salt, first_label + 2, &mut keys.salt);
        keys
    }

    #[cfg(test)]
    pub(crate) fn from_parts(cipher: &[u8], salt: &[u8], authentication: &[u8]) -> Self {
        let mut keys = Self {
            cipher: [0; MAX_KEY_OCTETS],
            cipher_octets: cipher.len(),
            salt: [0; SALT_OCTETS],
            authentication: [0; AUTH_OCTETS],
        };
        keys.cipher[..cipher.len()].copy_from_slice(cipher);
        keys.salt[..salt.len()].copy_from_slice(salt);
        keys.authentication[..authentication.len()].copy_from_slice(authentication);
        keys
    }
}

/// Fills `key`, which is zero, with the first octets that the label stands for.
pub(crate) fn expand_label(prf: &AesKey, salt: &[u8; SALT_OCTETS], label: u8, key: &mut [u8]) {
    let mut iv = [0; 16];
    for (position, (to, from)) in iv.iter_mut().zip(salt).enumerate() {
        *to = if position == LABEL_POSITION { *from ^ label } else { *from };
    }
    prf.apply_keystream(&iv, key);
    iv.zeroize();
}
