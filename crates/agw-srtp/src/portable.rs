//! The portable engine: RustCrypto, one packet after the other.
//!
//! AES and SHA-1 use the processor's instructions where there are any. Expanded AES keys and keyed
//! HMAC states are kept, so that a packet costs no key schedule.

mod cm;
mod f8;
mod gcm;
mod hmac_sha1;

use zeroize::ZeroizeOnDrop;

pub(crate) use self::cm::AesKey;
use self::cm::CounterMode;
pub(crate) use self::f8::F8;
use self::gcm::Galois;
use self::hmac_sha1::HmacSha1;
use crate::engine::{Engine, Frame, Job, Operation};
use crate::kdf::{ProtocolKeys, SessionKeys};
use crate::{CryptoFailure, MasterKey, Suite};

/// The engine that runs everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

/// Session keys as [`Portable`] works with them. Wiped on drop: every part wipes itself.
///
/// They stay in one place for life: moving a session moves a pointer and leaves no copy behind.
pub struct PortableKeys {
    transforms: Box<Transforms>,
}

struct Transforms {
    srtp: Transform,
    srtcp: Transform,
}

/// What a suite does to a packet.
pub(crate) enum Transform {
    CounterMode(HmacSha1<CounterMode>),
    /// Elsewhere: it is twice as long, and rare.
    F8(Box<HmacSha1<F8>>),
    Galois(Galois),
}

//= tests/spec/srtp.md#key-material
//# Key material MUST be wiped when it is released.
impl ZeroizeOnDrop for PortableKeys {}

impl Engine for Portable {
    type Keys = PortableKeys;

    fn expand(&self, master: &MasterKey) -> PortableKeys {
        let keys = SessionKeys::derive(master);
        let transforms = Box::new(Transforms {
            srtp: Transform::new(master.suite(), &keys.srtp),
            srtcp: Transform::new(master.suite(), &keys.srtcp),
        });
        PortableKeys { transforms }
    }

    fn run(&self, jobs: &mut [Job<'_, PortableKeys>]) {
        for job in jobs {
            if let Some(keys) = job.keys() {
                keys.run(job);
            }
        }
    }
}

impl PortableKeys {
    /// Runs one job under these keys and sets its outcome; for engines whose keys are one of
    /// several kinds.
    pub fn run<K>(&self, job: &mut Job<'_, K>) {
        let frame = job.frame();
        let octets = job.packet_octets();
        let transform = match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => &self.transforms.srtp,
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => &self.transforms.srtcp,
        };
        let outcome = transform.run(&frame, job.buffer(), octets);
        job.finish(outcome);
    }
}

impl Transform {
    pub(crate) fn new(suite: Suite, keys: &ProtocolKeys) -> Self {
        if suite.is_aead() {
            Self::Galois(Galois::new(keys))
        } else if suite.is_f8() {
            Self::F8(Box::new(HmacSha1::new(keys)))
        } else {
            Self::CounterMode(HmacSha1::new(keys))
        }
    }

    pub(crate) fn run(
        &self,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let seals = match frame.operation {
            Operation::ProtectSrtp | Operation::ProtectSrtcp => true,
            Operation::UnprotectSrtp | Operation::UnprotectSrtcp => false,
        };
        match (self, seals) {
            (Self::CounterMode(transform), true) => transform.seal(frame, buffer, octets),
            (Self::CounterMode(transform), false) => transform.open(frame, buffer, octets),
            (Self::F8(transform), true) => transform.seal(frame, buffer, octets),
            (Self::F8(transform), false) => transform.open(frame, buffer, octets),
            (Self::Galois(transform), true) => transform.seal(frame, buffer, octets),
            (Self::Galois(transform), false) => transform.open(frame, buffer, octets),
        }
    }
}

#[cfg(test)]
mod tests {
    use aes::{Aes128Enc, Aes192Enc, Aes256Enc};
    use aes_gcm::AesGcm;
    use aes_gcm::aead::consts::U12;
    use sha1::block_api::Sha1Core;
    use zeroize::Zeroizing;

    use super::*;

    /// Compiles for types that wipe themselves only.
    fn wipes<T: ZeroizeOnDrop>() {}

    //= tests/spec/srtp.md#key-material
    //= type=test
    //# Key material MUST be wiped when it is released.
    #[test]
    fn every_part_that_holds_key_material_wipes_itself() {
        wipes::<Aes128Enc>();
        wipes::<Aes192Enc>();
        wipes::<Aes256Enc>();
        wipes::<AesGcm<Aes128Enc, U12>>();
        wipes::<AesGcm<Aes256Enc, U12>>();
        // Two of these are a keyed HMAC state.
        wipes::<Sha1Core>();
        wipes::<Zeroizing<[u8; 14]>>();
        wipes::<MasterKey>();
        wipes::<SessionKeys>();
    }
}
