//! Keys of tests: not secret, so that they can be looked for where they must not be.

use agw_iq::pb;
use agw_srtp::{EgressKey, IngressKey, Lifetime, MasterKey, Mki, Suite};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A master key with its salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The suite.
    pub suite: Suite,
    /// Key and salt.
    pub octets: Vec<u8>,
    /// Its MKI; empty for none.
    pub mki: Vec<u8>,
    /// Its SRTP lifetime in packets; 0 for the suite's.
    pub srtp_lifetime: u64,
}

impl Key {
    /// A random key.
    #[must_use]
    pub fn random(suite: Suite) -> Self {
        let mut octets = vec![0; suite.key_len() + suite.salt_len()];
        rand::fill(&mut octets);
        Self { suite, octets, mki: Vec::new(), srtp_lifetime: 0 }
    }

    /// The same with an MKI.
    #[must_use]
    pub fn with_mki(mut self, mki: &[u8]) -> Self {
        self.mki = mki.to_vec();
        self
    }

    /// The same with an SRTP lifetime in packets.
    #[must_use]
    pub fn with_lifetime(mut self, packets: u64) -> Self {
        self.srtp_lifetime = packets;
        self
    }

    /// What a controller sends.
    #[must_use]
    pub fn crypto(&self) -> pb::CryptoContext {
        pb::CryptoContext {
            suite: self.wire_suite(),
            keys: vec![self.wire()],
            ..pb::CryptoContext::default()
        }
    }

    /// What a controller sends to join a session at a ROC.
    #[must_use]
    pub fn crypto_at(&self, roc: u32) -> pb::CryptoContext {
        pb::CryptoContext {
            roc_on_rekey: pb::RocOnRekey::Value.into(),
            initial_roc: Some(roc),
            ..self.crypto()
        }
    }

    /// What a controller sends to stage it.
    #[must_use]
    pub fn staged(&self) -> pb::StagedKey {
        pb::StagedKey {
            suite: self.wire_suite(),
            key: Some(self.wire()),
            ..pb::StagedKey::default()
        }
    }

    /// The attribute as in SDP.
    #[must_use]
    pub fn sdes_line(&self, tag: u32) -> String {
        format!("a=crypto:{tag} {} inline:{}", self.suite.name(), self.base64())
    }

    /// Key and salt in base64, as in SDP.
    #[must_use]
    pub fn base64(&self) -> String {
        BASE64_STANDARD.encode(&self.octets)
    }

    /// Key and salt in hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// For an endpoint that receives with it.
    pub(crate) fn opens(&self) -> IngressKey {
        let lifetime = self.endless();
        IngressKey { master: self.master(), mki: self.own_mki(), lifetime }
    }

    /// For an endpoint that sends with it.
    pub(crate) fn seals(&self) -> EgressKey {
        let lifetime = self.endless();
        EgressKey { master: self.master(), mki: self.own_mki(), lifetime }
    }

    fn endless(&self) -> Lifetime {
        Lifetime { srtp: 1 << 31, srtcp: 1 << 31 }
    }

    fn own_mki(&self) -> Option<Mki> {
        (!self.mki.is_empty()).then(|| Mki::new(&self.mki).expect("an MKI"))
    }

    fn master(&self) -> MasterKey {
        MasterKey::from_concatenated(self.suite, &self.octets).expect("a key of its suite")
    }

    fn wire(&self) -> pb::MasterKey {
        let (key, salt) = self.octets.split_at(self.suite.key_len());
        pb::MasterKey {
            key: key.to_vec(),
            salt: salt.to_vec(),
            mki: self.mki.clone(),
            srtp_lifetime: self.srtp_lifetime,
            ..pb::MasterKey::default()
        }
    }

    fn wire_suite(&self) -> i32 {
        let name = format!("SUITE_{}", self.suite.name());
        pb::Suite::from_str_name(&name).expect("a suite of the API").into()
    }
}
