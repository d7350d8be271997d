//! The far end of a switched call, by libsrtp: an independent opinion on every packet.

use std::net::IpAddr;

use agw_iq::pb;
use agw_rtp::Ssrc;
use agw_testkit::libsrtp::{self, Libsrtp, OracleKey, Session, SessionSpec, Sources};
use agw_testkit::peer;
use agw_tests::packet::rtp_at;
use agw_tests::{Endpoint, Key, api};

/// What it sends itself.
pub(crate) const FAR: u32 = 0xB0B0_0001;

/// The remote UE: its own leg is secured from beginning to end.
pub(crate) struct FarEnd {
    pub(crate) endpoint: Endpoint,
    seals: Session,
    opens: Session,
    next: u64,
}

impl FarEnd {
    /// The far end, and its stream to reserve; `None` without libsrtp.
    pub(crate) fn new(ip: IpAddr, ingress: &Key, egress: &Key) -> Option<(Self, pb::Stream)> {
        let Ok(library) = Libsrtp::load() else {
            peer::skip(libsrtp::PEER);
            return None;
        };
        let session = |key: &Key, sources| {
            let keys = vec![OracleKey { octets: key.octets.clone(), mki: key.mki.clone() }];
            let spec = SessionSpec {
                suite: key.suite,
                keys,
                sources,
                window: 128,
                allow_repeat_tx: false,
                unencrypted_srtp: false,
                unencrypted_srtcp: false,
            };
            library.session(&spec).expect("a session")
        };
        // It has the keys as well, so that the capture knows them.
        let endpoint = Endpoint::secured(ip, ingress, egress);
        let stream = api::secured(1, &endpoint, &ingress.crypto(), &egress.crypto());
        let seals = session(ingress, Sources::AnyOutbound);
        let opens = session(egress, Sources::AnyInbound);
        Some((Self { endpoint, seals, opens, next: 0 }, stream))
    }

    /// Its next packet, sealed; `step` says how far its index goes on.
    pub(crate) fn seal(&mut self, step: u64) -> (Vec<u8>, Vec<u8>) {
        self.next += step;
        let packet = rtp_at(FAR, self.next);
        let sealed = self.seals.protect(&packet, 0).expect("a sealed packet");
        (packet, sealed)
    }

    /// Sends one packet and returns it as it was before it was sealed.
    pub(crate) fn send(&mut self, step: u64) -> Vec<u8> {
        let (packet, sealed) = self.seal(step);
        self.endpoint.send_octets(&sealed);
        packet
    }

    /// Opens what came; everything that leaves to it must be authentic.
    pub(crate) fn open(&mut self, octets: &[u8]) -> Vec<u8> {
        self.opens.unprotect(octets).expect("an authentic packet")
    }

    /// Receives one packet.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let octets = self.endpoint.receive_octets();
        self.open(&octets)
    }

    /// Sends one RTCP packet.
    pub(crate) fn send_control(&mut self, packet: &[u8]) {
        let sealed = self.seals.protect_rtcp(packet, 0).expect("a sealed packet");
        self.endpoint.send_control_octets(&sealed);
    }

    /// Receives one RTCP packet.
    pub(crate) fn receive_control(&mut self) -> Vec<u8> {
        let octets = self.endpoint.receive_control_octets();
        self.opens.unprotect_rtcp(&octets).expect("an authentic packet")
    }

    /// The rollover counter of a source that it hears.
    pub(crate) fn roc(&self, ssrc: u32) -> u32 {
        self.opens.roc(Ssrc(ssrc)).expect("a source")
    }
}
