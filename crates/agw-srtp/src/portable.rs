//! The portable engine: RustCrypto, one packet after the other.
//!
//! AES and SHA-1 use the processor's instructions where there are any. Expanded AES keys and keyed
//! HMAC states are kept, so that a packet costs no key schedule.

mod cm;
mod gcm;

pub(crate) use self::cm::AesKey;
use self::cm::CounterMode;
use self::gcm::Galois;
use crate::engine::{Engine, Job, Operation};
use crate::kdf::{ProtocolKeys, SessionKeys};
use crate::{CryptoFailure, MasterKey, Suite};

/// The engine that runs everywhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

/// Session keys as [`Portable`] works with them. Wiped on drop: every part wipes itself.
pub struct PortableKeys {
    srtp: Transform,
    srtcp: Transform,
}

/// What a suite does to a packet.
enum Transform {
    CounterMode(CounterMode),
    Galois(Galois),
}

impl Engine for Portable {
    type Keys = PortableKeys;

    fn expand(&self, master: &MasterKey) -> PortableKeys {
        let keys = SessionKeys::derive(master);
        PortableKeys {
            srtp: Transform::new(master.suite(), &keys.srtp),
            srtcp: Transform::new(master.suite(), &keys.srtcp),
        }
    }

    fn run(&self, jobs: &mut [Job<'_, PortableKeys>]) {
        for job in jobs {
            if let Some(keys) = job.keys() {
                let outcome = keys.run(job);
                job.finish(outcome);
            }
        }
    }
}

impl PortableKeys {
    fn run(&self, job: &mut Job<'_, Self>) -> Result<usize, CryptoFailure> {
        let frame = job.frame();
        let octets = job.packet_octets();
        let buffer = job.buffer();
        let (transform, seals) = match frame.operation {
            Operation::ProtectSrtp => (&self.srtp, true),
            Operation::UnprotectSrtp => (&self.srtp, false),
            Operation::ProtectSrtcp => (&self.srtcp, true),
            Operation::UnprotectSrtcp => (&self.srtcp, false),
        };
        match (transform, seals) {
            (Transform::CounterMode(transform), true) => transform.seal(&frame, buffer, octets),
            (Transform::CounterMode(transform), false) => transform.open(&frame, buffer, octets),
            (Transform::Galois(transform), true) => transform.seal(&frame, buffer, octets),
            (Transform::Galois(transform), false) => transform.open(&frame, buffer, octets),
        }
    }
}

impl Transform {
    fn new(suite: Suite, keys: &ProtocolKeys) -> Self {
        if suite.is_aead() {
            Self::Galois(Galois::new(keys))
        } else {
            Self::CounterMode(CounterMode::new(keys))
        }
    }
}
