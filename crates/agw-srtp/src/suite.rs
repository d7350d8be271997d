//! Crypto suites: names, lengths, lifetimes (RFC 3711 §5 and §8.2, RFC 4568 §6.2, RFC 6188, RFC 7714).

use crate::Lifetime;

/// A cipher, a MAC and the lengths that go with them.
///
/// The `Null` suites authenticate and do not encrypt (RFC 3711 §5.1, mandatory to implement); no
/// SDES name is registered for them, `NULL_HMAC_SHA1_80` is what deployed peers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// AES-128 counter mode, 80-bit tags (RFC 4568 §6.2.1).
    AesCm128HmacSha1_80,
    /// AES-128 counter mode, 32-bit SRTP and 80-bit SRTCP tags (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
    /// AES-192 counter mode, 80-bit tags (RFC 6188 table 1).
    AesCm192HmacSha1_80,
    /// AES-192 counter mode, 32-bit SRTP and 80-bit SRTCP tags (RFC 6188 table 2).
    AesCm192HmacSha1_32,
    /// AES-256 counter mode, 80-bit tags (RFC 6188 table 3).
    AesCm256HmacSha1_80,
    /// AES-256 counter mode, 32-bit SRTP and 80-bit SRTCP tags (RFC 6188 table 4).
    AesCm256HmacSha1_32,
    /// AES-128 in Galois/counter mode, 128-bit tags (RFC 7714 §12).
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode, 128-bit tags (RFC 7714 §12).
    AeadAes256Gcm,
    /// No encryption, 80-bit tags (RFC 3711 §5.1).
    NullHmacSha1_80,
    /// No encryption, 32-bit SRTP and 80-bit SRTCP tags (RFC 3711 §5.1).
    NullHmacSha1_32,
    /// AES-128 in f8 mode, 80-bit tags (RFC 3711 §4.1.2, RFC 4568 §6.2.3).
    AesF8128HmacSha1_80,
}

impl Suite {
    //= tests/spec/srtp.md#suites
    //# A gateway MUST offer AES_CM_128_HMAC_SHA1_80 and AES_CM_128_HMAC_SHA1_32.
    //= tests/spec/srtp.md#suites
    //# A gateway MUST offer AES_192_CM and AES_256_CM with tags of 80 and of 32 bits.
    //= tests/spec/srtp.md#suites
    //# A gateway MUST offer AEAD_AES_128_GCM and AEAD_AES_256_GCM.
    //= tests/spec/srtp.md#f8-mode
    //# F8_128_HMAC_SHA1_80 MUST have a key of 16 octets, a salt of 14 and tags of 10.
    /// Every suite.
    pub const ALL: [Self; 11] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm192HmacSha1_80,
        Self::AesCm192HmacSha1_32,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::NullHmacSha1_80,
        Self::NullHmacSha1_32,
        Self::AesF8128HmacSha1_80,
    ];

    /// The name used in `a=crypto` (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm192HmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Self::AesCm192HmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AesF8128HmacSha1_80 => "F8_128_HMAC_SHA1_80",
            Self::NullHmacSha1_80 => "NULL_HMAC_SHA1_80",
            Self::NullHmacSha1_32 => "NULL_HMAC_SHA1_32",
        }
    }

    /// Octets of the master key, and of the session encryption key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::AeadAes128Gcm
            | Self::AesF8128HmacSha1_80
            | Self::NullHmacSha1_80
            | Self::NullHmacSha1_32 => 16,
            Self::AesCm192HmacSha1_80 | Self::AesCm192HmacSha1_32 => 24,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt, and of the session salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of the authentication tag of an SRTP packet.
    #[must_use]
    pub const fn srtp_tag_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80
            | Self::AesCm192HmacSha1_80
            | Self::AesCm256HmacSha1_80
            | Self::AesF8128HmacSha1_80
            | Self::NullHmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32
            | Self::AesCm192HmacSha1_32
            | Self::AesCm256HmacSha1_32
            | Self::NullHmacSha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets of the authentication tag of an SRTCP packet: 10 for the `_32` suites too
    /// (RFC 4568 §6.2.2).
    #[must_use]
    pub const fn srtcp_tag_len(self) -> usize {
        //= tests/spec/srtp.md#suites
        //# A suite with a 32-bit SRTP tag MUST still use an 80-bit tag on SRTCP.
        if self.is_aead() { 16 } else { 10 }
    }

    /// Whether one operation encrypts and authenticates (RFC 7714).
    #[must_use]
    pub const fn is_aead(self) -> bool {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => true,
            Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::AesCm192HmacSha1_80
            | Self::AesCm192HmacSha1_32
            | Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32
            | Self::AesF8128HmacSha1_80
            | Self::NullHmacSha1_80
            | Self::NullHmacSha1_32 => false,
        }
    }

    /// Whether nothing is encrypted.
    #[must_use]
    pub const fn is_null(self) -> bool {
        matches!(self, Self::NullHmacSha1_80 | Self::NullHmacSha1_32)
    }

    /// Whether packets are encrypted in f8 mode, which UMTS has and hardly anybody else uses.
    #[must_use]
    pub const fn is_f8(self) -> bool {
        matches!(self, Self::AesF8128HmacSha1_80)
    }

    /// The most packets one master key may protect: 2^48 SRTP, 2^31 SRTCP (RFC 3711 §9.2).
    #[must_use]
    pub const fn max_lifetime(self) -> Lifetime {
        //= tests/spec/srtp.md#key-lifetime
        //# A lifetime above the maximum of the suite MUST be refused.
        Lifetime { srtp: 1 << 48, srtcp: 1 << 31 }
    }

    /// The lifetime of a key declared without one: 2^31 SRTP packets for the suites of RFC 6188
    /// (tables 1 to 4), the maximum for the others.
    #[must_use]
    pub const fn default_lifetime(self) -> Lifetime {
        match self {
            Self::AesCm192HmacSha1_80
            | Self::AesCm192HmacSha1_32
            | Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32 => Lifetime { srtp: 1 << 31, srtcp: 1 << 31 },
            Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::AeadAes128Gcm
            | Self::AeadAes256Gcm
            | Self::AesF8128HmacSha1_80
            | Self::NullHmacSha1_80
            | Self::NullHmacSha1_32 => self.max_lifetime(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= tests/spec/srtp.md#suites
    //= type=test
    //# A suite with a 32-bit SRTP tag MUST still use an 80-bit tag on SRTCP.
    //= tests/spec/srtp.md#f8-mode
    //= type=test
    //# F8_128_HMAC_SHA1_80 MUST have a key of 16 octets, a salt of 14 and tags of 10.
    #[test]
    fn lengths_are_those_of_the_registrations() {
        // suite, key, salt, SRTP tag, SRTCP tag: RFC 4568 §6.2 table, RFC 6188 tables 1-4, RFC 7714 §12.
        let table = [
            (Suite::AesCm128HmacSha1_80, 16, 14, 10, 10),
            (Suite::AesCm128HmacSha1_32, 16, 14, 4, 10),
            (Suite::AesCm192HmacSha1_80, 24, 14, 10, 10),
            (Suite::AesCm192HmacSha1_32, 24, 14, 4, 10),
            (Suite::AesCm256HmacSha1_80, 32, 14, 10, 10),
            (Suite::AesCm256HmacSha1_32, 32, 14, 4, 10),
            (Suite::AeadAes128Gcm, 16, 12, 16, 16),
            (Suite::AeadAes256Gcm, 32, 12, 16, 16),
            (Suite::NullHmacSha1_80, 16, 14, 10, 10),
            (Suite::NullHmacSha1_32, 16, 14, 4, 10),
            (Suite::AesF8128HmacSha1_80, 16, 14, 10, 10),
        ];
        assert_eq!(table.map(|(suite, ..)| suite), Suite::ALL);
        for (suite, key, salt, srtp_tag, srtcp_tag) in table {
            assert_eq!(suite.key_len(), key, "{suite:?}");
            assert_eq!(suite.salt_len(), salt, "{suite:?}");
            assert_eq!(suite.srtp_tag_len(), srtp_tag, "{suite:?}");
            assert_eq!(suite.srtcp_tag_len(), srtcp_tag, "{suite:?}");
        }
    }
}
