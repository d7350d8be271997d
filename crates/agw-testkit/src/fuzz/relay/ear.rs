//! What the phone makes of what was sealed for it.

use std::time::{Duration, Instant};

use agw_rtp::RtpHeader;
use agw_srtp::{
    IngressKey, Portable, PortableKeys, RocOnRekey, SessionParameters, Suite, Unprotector,
};

use super::super::model::Sources;
use super::{CORE, key};

/// The guard of a sender looks back at least this far (RFC 3711 §9.1).
const MIN_GUARD: u16 = 128;

/// The phone's receiving half.
pub(super) struct Ear {
    suite: Suite,
    generation: u8,
    /// What it hears by RTCP.
    reports: Unprotector<PortableKeys>,
    /// What was sealed for it by RTP.
    sealed: Sources,
}

impl Ear {
    pub(super) fn new(suite: Suite) -> Self {
        let parameters = SessionParameters::default();
        // RTCP may come from more sources than the gateway seals RTP for.
        let many = SessionParameters { max_sources: 64, ..parameters };
        let reports = Unprotector::new(&Portable, keys(suite, 0), many, 0);
        let Ok(reports) = reports else { panic!("keys of the right length are refused") };
        let sealed = Sources::new(0, parameters.window.max(MIN_GUARD), parameters.max_sources);
        Self { suite, generation: 0, reports, sealed }
    }

    pub(super) fn rekey(&mut self, generation: u8, now: Instant) {
        self.generation = generation;
        let (parameters, roc) = (SessionParameters::default(), RocOnRekey::Keep);
        let keys = keys(self.suite, generation);
        let done = self.reports.rekey(&Portable, keys, parameters, roc, Duration::ZERO, now);
        assert!(done.is_ok(), "{done:?}");
    }

    /// Opens what the gateway sealed.
    pub(super) fn hear(&mut self, rtcp: bool, sealed: &[u8], now: Instant) -> Vec<u8> {
        let mut packet = sealed.to_vec();
        let opened = if rtcp {
            self.reports.unprotect_srtcp(&Portable, &mut packet, sealed.len(), now)
        } else {
            self.under_its_index(sealed).unprotect_srtp(&Portable, &mut packet, sealed.len(), now)
        };
        let Ok(len) = opened else { panic!("the phone cannot open what was sealed: {opened:?}") };
        packet.truncate(len);
        packet
    }

    /// What opens a packet under the index that it must have, which no packet before it had: a
    /// phone of agw's own kind would wait for a second packet where a short tag jumps.
    fn under_its_index(&mut self, sealed: &[u8]) -> Unprotector<PortableKeys> {
        let Ok(header) = RtpHeader::parse(sealed) else { panic!("sealed what is no RTP packet") };
        let (ssrc, generation) = (header.ssrc(), u16::from(self.generation));
        self.sealed.make_room_for(ssrc, generation);
        let index = self.sealed.index(ssrc, header.sequence().0);
        assert!(self.sealed.has_room_for(ssrc), "sealed for too many sources");
        assert!(self.sealed.is_fresh(ssrc, false, index), "sealed index {index:#x} twice");
        self.sealed.remember(ssrc, false, index, generation);
        let (keys, roc) = (keys(self.suite, self.generation), (index >> 16) as u32);
        let phone = Unprotector::new(&Portable, keys, SessionParameters::default(), roc);
        let Ok(phone) = phone else { panic!("keys of the right length are refused") };
        phone
    }
}

fn keys(suite: Suite, generation: u8) -> Vec<IngressKey> {
    vec![IngressKey::new(key(suite, generation, CORE))]
}
