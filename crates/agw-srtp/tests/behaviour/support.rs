//! Keys, packets and a sender-receiver pair.

use std::time::{Duration, Instant};

use agw_srtp::{
    EgressKey, IngressKey, Lifetime, MAX_TRAILER, MasterKey, Mki, Portable, PortableKeys,
    ProtectError, Protector, SessionParameters, Suite, UnprotectError, Unprotector,
};

pub(crate) const SUITE: Suite = Suite::AesCm128HmacSha1_80;
pub(crate) const SSRC: u32 = 0x5501_a0b2;
pub(crate) const OVERLAP: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// A master key whose octets follow from `seed`.
pub(crate) fn master(suite: Suite, seed: u8) -> MasterKey {
    let octets: Vec<u8> = (0..46_u8).map(|octet| octet.wrapping_mul(7) ^ seed).collect();
    let len = suite.key_len() + suite.salt_len();
    MasterKey::from_concatenated(suite, &octets[..len]).unwrap()
}

pub(crate) fn ingress_key(seed: u8) -> IngressKey {
    IngressKey::new(master(SUITE, seed))
}

pub(crate) fn egress_key(seed: u8) -> EgressKey {
    EgressKey::new(master(SUITE, seed))
}

pub(crate) fn ingress_key_with_mki(seed: u8, mki: &[u8]) -> IngressKey {
    let mki = Some(Mki::new(mki).unwrap());
    IngressKey { mki, ..ingress_key(seed) }
}

pub(crate) fn egress_key_with_mki(seed: u8, mki: &[u8]) -> EgressKey {
    let mki = Some(Mki::new(mki).unwrap());
    EgressKey { mki, ..egress_key(seed) }
}

pub(crate) fn lifetime(packets: u64) -> Lifetime {
    Lifetime { srtp: packets, srtcp: packets }
}

/// An RTP packet of 20 octets of payload that follow from its sequence number.
pub(crate) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 1, 0x40]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..20).map(|octet| octet ^ sequence.to_be_bytes()[1]));
    packet
}

/// A receiver report without report blocks, with eight octets that nobody knows behind it.
pub(crate) fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 3];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    packet
}

/// A sender and a receiver that share keys.
pub(crate) struct Pair {
    pub(crate) egress: Protector<PortableKeys>,
    pub(crate) ingress: Unprotector<PortableKeys>,
    pub(crate) now: Instant,
}

impl Pair {
    pub(crate) fn new(egress: EgressKey, ingress: IngressKey) -> Self {
        Self::with_parameters(egress, ingress, SessionParameters::default())
    }

    pub(crate) fn with_parameters(
        egress: EgressKey,
        ingress: IngressKey,
        parameters: SessionParameters,
    ) -> Self {
        Self {
            egress: Protector::new(&Portable, vec![egress], parameters, 0).unwrap(),
            ingress: Unprotector::new(&Portable, vec![ingress], parameters, 0).unwrap(),
            now: start(),
        }
    }

    /// Both ends under key 1, in a session that stands at a rollover counter.
    pub(crate) fn at(roc: u32, max_sources: u8) -> Self {
        let parameters = SessionParameters { max_sources, ..SessionParameters::default() };
        let (egress, ingress) = (vec![egress_key(1)], vec![ingress_key(1)]);
        Self {
            egress: Protector::new(&Portable, egress, parameters, roc).unwrap(),
            ingress: Unprotector::new(&Portable, ingress, parameters, roc).unwrap(),
            now: start(),
        }
    }

    /// Both ends under the same key of a suite.
    pub(crate) fn of(suite: Suite) -> Self {
        Self::new(EgressKey::new(master(suite, 1)), IngressKey::new(master(suite, 1)))
    }

    pub(crate) fn seal(&mut self, packet: &[u8]) -> Result<Vec<u8>, ProtectError> {
        seal(&mut self.egress, packet)
    }

    pub(crate) fn seal_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, ProtectError> {
        seal_rtcp(&mut self.egress, packet)
    }

    pub(crate) fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, UnprotectError> {
        open(&mut self.ingress, sealed, self.now)
    }

    pub(crate) fn open_rtcp(&mut self, sealed: &[u8]) -> Result<Vec<u8>, UnprotectError> {
        open_rtcp(&mut self.ingress, sealed, self.now)
    }
}

pub(crate) fn seal(
    egress: &mut Protector<PortableKeys>,
    packet: &[u8],
) -> Result<Vec<u8>, ProtectError> {
    let mut buffer = with_tail_room(packet);
    let octets = egress.protect_srtp(&Portable, &mut buffer, packet.len())?;
    buffer.truncate(octets);
    Ok(buffer)
}

pub(crate) fn seal_rtcp(
    egress: &mut Protector<PortableKeys>,
    packet: &[u8],
) -> Result<Vec<u8>, ProtectError> {
    let mut buffer = with_tail_room(packet);
    let octets = egress.protect_srtcp(&Portable, &mut buffer, packet.len())?;
    buffer.truncate(octets);
    Ok(buffer)
}

pub(crate) fn open(
    ingress: &mut Unprotector<PortableKeys>,
    sealed: &[u8],
    now: Instant,
) -> Result<Vec<u8>, UnprotectError> {
    let mut buffer = sealed.to_vec();
    let octets = ingress.unprotect_srtp(&Portable, &mut buffer, sealed.len(), now)?;
    buffer.truncate(octets);
    Ok(buffer)
}

pub(crate) fn open_rtcp(
    ingress: &mut Unprotector<PortableKeys>,
    sealed: &[u8],
    now: Instant,
) -> Result<Vec<u8>, UnprotectError> {
    let mut buffer = sealed.to_vec();
    let octets = ingress.unprotect_srtcp(&Portable, &mut buffer, sealed.len(), now)?;
    buffer.truncate(octets);
    Ok(buffer)
}

pub(crate) fn with_tail_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_TRAILER, 0xee);
    buffer
}
