//! What arrives: from a frame to a datagram.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
};

use super::{
    ETHERNET, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_PROVIDER_VLAN, ETHERTYPE_VLAN, FrameError,
    IPV4, IPV6, PROTOCOL_UDP, TAG, UDP, checksum::Sum,
};

/// A UDP datagram in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// Which address and port it came for.
    pub(crate) destination: SocketAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub(crate) traffic_class: u8,
    /// Where in the frame its payload is.
    pub(crate) payload: Range<usize>,
}

/// What an IP header says.
struct Packet<'a> {
    /// Octets of the header.
    header: usize,
    source: IpAddr,
    destination: IpAddr,
    traffic_class: u8,
    /// What the header encloses.
    datagram: &'a [u8],
}

/// Finds the datagram in an Ethernet frame with at most one IEEE 802.1Q or 802.1ad tag, IPv4
/// without options or IPv6 without extension headers, and UDP. What lies behind the length that
/// the IP header tells is padding.
///
/// The UDP checksum is not verified: frames over veth, and from machines that share a host, carry
/// a part of one only, to be completed by a card that never comes.
pub(crate) fn parse(frame: &[u8]) -> Result<Parsed, FrameError> {
    let (link, ethertype) = link(frame)?;
    let packet = frame.get(link..).ok_or(FrameError::Truncated)?;
    let Packet { header, source, destination, traffic_class, datagram } = match ethertype {
        ETHERTYPE_IPV4 => ipv4(packet)?,
        ETHERTYPE_IPV6 => ipv6(packet)?,
        _ => return Err(FrameError::NotIp),
    };
    let Some(([s1, s2, d1, d2, l1, l2, check @ ..], _)) = datagram.split_first_chunk::<UDP>()
    else {
        return Err(FrameError::Truncated);
    };
    if destination.is_ipv6() && *check == [0, 0] {
        return Err(FrameError::Checksum);
    }
    let length = usize::from(u16::from_be_bytes([*l1, *l2]));
    if length < UDP || length > datagram.len() {
        return Err(FrameError::Truncated);
    }
    let start = link + header + UDP;
    Ok(Parsed {
        source: SocketAddr::new(source, u16::from_be_bytes([*s1, *s2])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([*d1, *d2])),
        traffic_class,
        payload: start..start + length - UDP,
    })
}

/// Octets before the IP header, and the type that names it.
fn link(frame: &[u8]) -> Result<(usize, [u8; 2]), FrameError> {
    let Some(([.., e1, e2], rest)) = frame.split_first_chunk::<ETHERNET>() else {
        return Err(FrameError::Truncated);
    };
    let ethertype = [*e1, *e2];
    if ethertype != ETHERTYPE_VLAN && ethertype != ETHERTYPE_PROVIDER_VLAN {
        return Ok((ETHERNET, ethertype));
    }
    let Some(([_, _, e1, e2], _)) = rest.split_first_chunk::<TAG>() else {
        return Err(FrameError::Truncated);
    };
    Ok((ETHERNET + TAG, [*e1, *e2]))
}

fn ipv4(packet: &[u8]) -> Result<Packet<'_>, FrameError> {
    let Some((header, _)) = packet.split_first_chunk::<IPV4>() else {
        return Err(FrameError::Truncated);
    };
    let [version, traffic_class, l1, l2, _, _, f1, f2, _, protocol, _, _, s @ .., d1, d2, d3, d4] =
        *header;
    if version != 0x45 || protocol != PROTOCOL_UDP {
        return Err(FrameError::NotPlainUdp);
    }
    // More fragments, or an offset; "don't fragment" is the bit above.
    if [f1 & 0x3F, f2] != [0, 0] {
        return Err(FrameError::Fragment);
    }
    if !Sum::default().add(header).is_whole() {
        return Err(FrameError::Checksum);
    }
    let source = Ipv4Addr::from(s);
    if source.is_unspecified() || source.is_multicast() || source.is_broadcast() {
        return Err(FrameError::Source);
    }
    let total = usize::from(u16::from_be_bytes([l1, l2]));
    let datagram = packet.get(IPV4..total).ok_or(FrameError::Truncated)?;
    let (source, destination) = (source.into(), Ipv4Addr::from([d1, d2, d3, d4]).into());
    Ok(Packet { header: IPV4, source, destination, traffic_class, datagram })
}

fn ipv6(packet: &[u8]) -> Result<Packet<'_>, FrameError> {
    let Some((fixed, rest)) = packet.split_first_chunk::<8>() else {
        return Err(FrameError::Truncated);
    };
    let [version, class, _, _, l1, l2, next_header, _] = *fixed;
    if version >> 4 != 6 || next_header != PROTOCOL_UDP {
        return Err(FrameError::NotPlainUdp);
    }
    let (source, rest) = rest.split_first_chunk::<16>().ok_or(FrameError::Truncated)?;
    let (destination, rest) = rest.split_first_chunk::<16>().ok_or(FrameError::Truncated)?;
    let source = Ipv6Addr::from(*source);
    if source.is_unspecified() || source.is_multicast() {
        return Err(FrameError::Source);
    }
    let length = usize::from(u16::from_be_bytes([l1, l2]));
    let datagram = rest.get(..length).ok_or(FrameError::Truncated)?;
    // It lies across two octets, behind the version.
    let traffic_class = version << 4 | class >> 4;
    let (source, destination) = (source.into(), Ipv6Addr::from(*destination).into());
    Ok(Packet { header: IPV6, source, destination, traffic_class, datagram })
}
