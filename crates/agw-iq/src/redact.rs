//! `Debug` of the messages that carry keys: all but the secret.

use std::fmt;

use crate::pb;

/// The length of a secret in place of the secret.
pub(crate) struct Secret(pub(crate) usize);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redacted, {} octets", self.0)
    }
}

impl fmt::Debug for pb::MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, salt, mki, srtp_lifetime, srtcp_lifetime } = self;
        f.debug_struct("MasterKey")
            .field("key", &Secret(key.len()))
            .field("salt", &Secret(salt.len()))
            .field("mki", mki)
            .field("srtp_lifetime", srtp_lifetime)
            .field("srtcp_lifetime", srtcp_lifetime)
            .finish()
    }
}

impl fmt::Debug for pb::CryptoContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sdes_line,
            suite,
            keys,
            parameters,
            source,
            roc_on_rekey,
            initial_roc,
            overlap_ms,
        } = self;
        f.debug_struct("CryptoContext")
            .field("sdes_line", &Secret(sdes_line.len()))
            .field("suite", suite)
            .field("keys", keys)
            .field("parameters", parameters)
            .field("source", source)
            .field("roc_on_rekey", roc_on_rekey)
            .field("initial_roc", initial_roc)
            .field("overlap_ms", overlap_ms)
            .finish()
    }
}

impl fmt::Debug for pb::StagedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sdes_line, suite, key } = self;
        f.debug_struct("StagedKey")
            .field("sdes_line", &Secret(sdes_line.len()))
            .field("suite", suite)
            .field("key", key)
            .finish()
    }
}
