//! What leaves: headers before a payload that is in place.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, FrameError, IPV4, IPV6, PROTOCOL_UDP,
    TAG, UDP, checksum::Sum,
};

/// Addresses and tag of a frame on its link.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkHeader {
    /// The interface's address.
    pub(crate) source: [u8; 6],
    /// The neighbour's address.
    pub(crate) destination: [u8; 6],
    /// VLAN identifier of an IEEE 802.1Q tag, 1 to 4094.
    pub(crate) vlan: Option<u16>,
}

/// How a datagram leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure<'a> {
    pub(crate) link: &'a LinkHeader,
    pub(crate) source: SocketAddr,
    /// Of the family of `source`.
    pub(crate) destination: SocketAddr,
    /// IPv4 type of service, IPv6 traffic class: code point and ECN.
    pub(crate) traffic_class: u8,
    /// IPv4 time to live, IPv6 hop limit.
    pub(crate) hop_limit: u8,
    /// Whether no router may fragment it; over IPv6 none ever does.
    pub(crate) dont_fragment: bool,
    /// IPv4 identification. Means nothing in a datagram that is never fragmented (RFC 6864).
    pub(crate) identification: u16,
}

/// Octets of the headers before the payload.
pub(crate) fn header_len(departure: &Departure<'_>) -> usize {
    let link = if departure.link.vlan.is_some() { ETHERNET + TAG } else { ETHERNET };
    let ip = if departure.destination.is_ipv4() { IPV4 } else { IPV6 };
    link + ip + UDP
}

/// Writes the headers. The payload is in the frame already, [`header_len`] octets behind its
/// start, and ends where the frame ends.
///
/// Both checksums are computed in full, over IPv4 as well.
///
/// # Errors
/// `Truncated` for a frame too short for its headers or too long for their length fields,
/// `Families` for addresses that do not belong together. The frame is as it was then.
pub(crate) fn write(frame: &mut [u8], departure: &Departure<'_>) -> Result<(), FrameError> {
    let link = header_len(departure) - UDP - ip_header_len(departure);
    let Some((ethernet, packet)) = frame.split_at_mut_checked(link) else {
        return Err(FrameError::Truncated);
    };
    match (departure.source.ip(), departure.destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            write_ipv4(packet, departure, source, destination)?;
            write_link(ethernet, departure.link, ETHERTYPE_IPV4);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            write_ipv6(packet, departure, source, destination)?;
            write_link(ethernet, departure.link, ETHERTYPE_IPV6);
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            return Err(FrameError::Families);
        }
    }
    Ok(())
}

fn ip_header_len(departure: &Departure<'_>) -> usize {
    if departure.destination.is_ipv4() { IPV4 } else { IPV6 }
}

/// `octets` are as many as the header has.
fn write_link(octets: &mut [u8], link: &LinkHeader, ethertype: [u8; 2]) {
    let [d1, d2, d3, d4, d5, d6] = link.destination;
    let [s1, s2, s3, s4, s5, s6] = link.source;
    let [e1, e2] = ethertype;
    let Some(vlan) = link.vlan else {
        let header = [d1, d2, d3, d4, d5, d6, s1, s2, s3, s4, s5, s6, e1, e2];
        octets.copy_from_slice(&header);
        return;
    };
    let [t1, t2] = ETHERTYPE_VLAN;
    // Priority 0: the code point says how urgent it is.
    let [v1, v2] = (vlan & 0x0FFF).to_be_bytes();
    let header = [d1, d2, d3, d4, d5, d6, s1, s2, s3, s4, s5, s6, t1, t2, v1, v2, e1, e2];
    octets.copy_from_slice(&header);
}

fn write_ipv4(
    packet: &mut [u8],
    departure: &Departure<'_>,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Result<(), FrameError> {
    let total = u16::try_from(packet.len()).map_err(|_| FrameError::Truncated)?;
    let Some((header, datagram)) = packet.split_first_chunk_mut::<IPV4>() else {
        return Err(FrameError::Truncated);
    };
    let pseudo = Sum::default().add(&source.octets()).add(&destination.octets());
    write_udp(datagram, departure, pseudo)?;
    let [l1, l2] = total.to_be_bytes();
    let [i1, i2] = departure.identification.to_be_bytes();
    let [s1, s2, s3, s4] = source.octets();
    let [d1, d2, d3, d4] = destination.octets();
    let tos = departure.traffic_class;
    let flags = if departure.dont_fragment { 0x40 } else { 0 };
    let ttl = departure.hop_limit;
    let mut octets = [
        0x45,
        tos,
        l1,
        l2,
        i1,
        i2,
        flags,
        0,
        ttl,
        PROTOCOL_UDP,
        0,
        0,
        s1,
        s2,
        s3,
        s4,
        d1,
        d2,
        d3,
        d4,
    ];
    let [c1, c2] = Sum::default().add(&octets).checksum();
    let [.., check1, check2, _, _, _, _, _, _, _, _] = &mut octets;
    (*check1, *check2) = (c1, c2);
    *header = octets;
    Ok(())
}

fn write_ipv6(
    packet: &mut [u8],
    departure: &Departure<'_>,
    source: Ipv6Addr,
    destination: Ipv6Addr,
) -> Result<(), FrameError> {
    let Some((header, datagram)) = packet.split_first_chunk_mut::<IPV6>() else {
        return Err(FrameError::Truncated);
    };
    let length = u16::try_from(datagram.len()).map_err(|_| FrameError::Truncated)?;
    let pseudo = Sum::default().add(&source.octets()).add(&destination.octets());
    write_udp(datagram, departure, pseudo)?;
    let class = departure.traffic_class;
    let [l1, l2] = length.to_be_bytes();
    let first = [0x60 | class >> 4, class << 4, 0, 0, l1, l2, PROTOCOL_UDP, departure.hop_limit];
    let (fixed, addresses) = header.split_at_mut(8);
    fixed.copy_from_slice(&first);
    let (from, to) = addresses.split_at_mut(16);
    from.copy_from_slice(&source.octets());
    to.copy_from_slice(&destination.octets());
    Ok(())
}

/// `addresses` is the sum over the addresses, the first part of the pseudo-header (RFC 768, RFC
/// 8200 section 8.1).
fn write_udp(
    datagram: &mut [u8],
    departure: &Departure<'_>,
    addresses: Sum,
) -> Result<(), FrameError> {
    let length = u16::try_from(datagram.len()).map_err(|_| FrameError::Truncated)?;
    let Some((header, payload)) = datagram.split_first_chunk_mut::<UDP>() else {
        return Err(FrameError::Truncated);
    };
    let [s1, s2] = departure.source.port().to_be_bytes();
    let [d1, d2] = departure.destination.port().to_be_bytes();
    let [l1, l2] = length.to_be_bytes();
    let sum = addresses.add(&[0, PROTOCOL_UDP, l1, l2]).add(&[s1, s2, d1, d2, l1, l2]).add(payload);
    // Zero would mean that there is none.
    let [c1, c2] = match sum.checksum() {
        [0, 0] => [0xFF, 0xFF],
        checksum => checksum,
    };
    *header = [s1, s2, d1, d2, l1, l2, c1, c2];
    Ok(())
}
