//! Against `etherparse`, which knows nothing of this module.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use etherparse::{
    InternetSlice, LinkExtSlice, PacketBuilder, SlicedPacket, TransportSlice, VlanId,
};
use proptest::prelude::*;

use super::{checksum::Sum, *};

const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn unicast(octets: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::new(octets[0] % 223 + 1, octets[1], octets[2], octets[3])
}

fn unicast_v6(mut octets: [u8; 16]) -> Ipv6Addr {
    octets[0] = 0x20 | octets[0] & 0x1F;
    Ipv6Addr::from(octets)
}

/// Source and destination of one family.
fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let v4 = || any::<([u8; 4], u16)>().prop_map(|(ip, port)| (unicast(ip), port));
    let v6 = || any::<([u8; 16], u16)>().prop_map(|(ip, port)| (unicast_v6(ip), port));
    prop_oneof![
        (v4(), v4()).prop_map(|(from, to)| (from.into(), to.into())),
        (v6(), v6()).prop_map(|(from, to)| (from.into(), to.into())),
    ]
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..1500)
}

/// A frame built by `etherparse`, with `padding` octets behind the IP packet.
fn built(
    (source, destination): (SocketAddr, SocketAddr),
    vlan: Option<u16>,
    payload: &[u8],
    padding: usize,
) -> Vec<u8> {
    let mut frame = Vec::new();
    let link = PacketBuilder::ethernet2(FAR, NEAR);
    macro_rules! finish {
        ($link:expr) => {
            match (source, destination) {
                (SocketAddr::V4(from), SocketAddr::V4(to)) => $link
                    .ipv4(from.ip().octets(), to.ip().octets(), 64)
                    .udp(from.port(), to.port())
                    .write(&mut frame, payload),
                (SocketAddr::V6(from), SocketAddr::V6(to)) => $link
                    .ipv6(from.ip().octets(), to.ip().octets(), 64)
                    .udp(from.port(), to.port())
                    .write(&mut frame, payload),
                mixed => panic!("{mixed:?}"),
            }
        };
    }
    match vlan {
        None => finish!(link).unwrap(),
        Some(vlan) => finish!(link.single_vlan(VlanId::try_new(vlan).unwrap())).unwrap(),
    }
    frame.extend(std::iter::repeat_n(0xEE, padding));
    frame
}

fn v4_pair() -> (SocketAddr, SocketAddr) {
    let from = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 4000);
    (from.into(), SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 5000).into())
}

fn v6_pair() -> (SocketAddr, SocketAddr) {
    let from = SocketAddrV6::new("2001:db8::1".parse().unwrap(), 4000, 0, 0);
    (from.into(), SocketAddrV6::new("2001:db8::2".parse().unwrap(), 5000, 0, 0).into())
}

proptest! {
    #[test]
    fn a_datagram_is_found_in_what_another_implementation_built(
        pair in addresses(),
        vlan in proptest::option::of(0_u16..4095),
        payload in payload(),
        padding in 0_usize..30,
    ) {
        let frame = built(pair, vlan, &payload, padding);
        let parsed = parse(&frame).unwrap();
        prop_assert_eq!((parsed.source, parsed.destination), pair);
        prop_assert_eq!(&frame[parsed.payload], &payload[..]);
    }

    #[test]
    fn what_is_written_is_what_another_implementation_reads_with_both_checksums_right(
        pair in addresses(),
        vlan in proptest::option::of(1_u16..4095),
        payload in payload(),
        (traffic_class, hop_limit, dont_fragment, identification) in
            (any::<u8>(), 1_u8..=255, any::<bool>(), any::<u16>()),
    ) {
        let link = LinkHeader { source: NEAR, destination: FAR, vlan };
        let departure = Departure {
            link: &link, source: pair.0, destination: pair.1, traffic_class, hop_limit,
            dont_fragment, identification,
        };
        let mut frame = vec![0xAA; header_len(&departure)];
        frame.extend(&payload);
        write(&mut frame, &departure).unwrap();

        check_against_etherparse(&frame, &departure, &payload);
        let parsed = parse(&frame).unwrap();
        prop_assert_eq!((parsed.source, parsed.destination), pair);
        prop_assert_eq!(parsed.traffic_class, traffic_class);
        prop_assert_eq!(parsed.payload, header_len(&departure)..frame.len());
    }

    #[test]
    fn no_frame_makes_it_panic_and_a_payload_is_always_inside(
        frame in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(parsed) = parse(&frame) {
            prop_assert!(parsed.payload.start <= parsed.payload.end);
            prop_assert!(parsed.payload.end <= frame.len());
        }
    }

    #[test]
    fn a_changed_frame_is_refused_or_read_inside_its_bounds(
        pair in addresses(),
        vlan in proptest::option::of(0_u16..4095),
        changes in proptest::collection::vec((0_usize..62, any::<u8>()), 1..4),
        cut in 0_usize..80,
    ) {
        let mut frame = built(pair, vlan, &[7; 12], 0);
        for (at, value) in changes {
            let at = at % frame.len();
            frame[at] = value;
        }
        frame.truncate(frame.len().saturating_sub(cut));
        if let Ok(parsed) = parse(&frame) {
            prop_assert!(parsed.payload.end <= frame.len());
        }
    }
}

fn check_against_etherparse(frame: &[u8], departure: &Departure<'_>, payload: &[u8]) {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let tag = packet.link_exts.iter().map(|tag| match tag {
        LinkExtSlice::Vlan(tag) => tag.vlan_identifier().value(),
        other => panic!("{other:?}"),
    });
    assert!(tag.eq(departure.link.vlan));
    let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("no UDP") };
    assert_eq!(udp.payload(), payload);
    assert_eq!(udp.source_port(), departure.source.port());
    assert_eq!(udp.destination_port(), departure.destination.port());
    let header = udp.to_header();
    match packet.net.unwrap() {
        InternetSlice::Ipv4(ip) => {
            let ip = ip.header().to_header();
            assert_eq!(departure.source.ip(), Ipv4Addr::from(ip.source));
            assert_eq!(departure.destination.ip(), Ipv4Addr::from(ip.destination));
            assert_eq!(ip.dscp.value(), departure.traffic_class >> 2);
            assert_eq!(ip.ecn.value(), departure.traffic_class & 3);
            assert_eq!(ip.time_to_live, departure.hop_limit);
            assert_eq!(ip.identification, departure.identification);
            assert_eq!((ip.dont_fragment, ip.more_fragments), (departure.dont_fragment, false));
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            assert_eq!(udp.checksum(), header.calc_checksum_ipv4(&ip, payload).unwrap());
        }
        InternetSlice::Ipv6(ip) => {
            let ip = ip.header().to_header();
            assert_eq!(departure.source.ip(), Ipv6Addr::from(ip.source));
            assert_eq!(departure.destination.ip(), Ipv6Addr::from(ip.destination));
            assert_eq!(ip.traffic_class, departure.traffic_class);
            assert_eq!(ip.hop_limit, departure.hop_limit);
            assert_eq!(udp.checksum(), header.calc_checksum_ipv6(&ip, payload).unwrap());
        }
        InternetSlice::Arp(arp) => panic!("{arp:?}"),
    }
}

#[test]
fn frames_that_are_not_for_us_are_refused_each_for_its_own_reason() {
    let v4 = |at: usize, value: u8| change(v4_pair(), &[(at, value)]);
    let v6 = |at: usize, value: u8| change(v6_pair(), &[(at, value)]);
    let table = [
        ("ARP", v4(13, 0x06), FrameError::NotIp),
        ("version 5", v4(14, 0x55), FrameError::NotPlainUdp),
        ("IPv4 options", v4(14, 0x46), FrameError::NotPlainUdp),
        ("TCP", v4(23, 6), FrameError::NotPlainUdp),
        ("first fragment", v4(20, 0x20), FrameError::Fragment),
        ("later fragment", v4(21, 1), FrameError::Fragment),
        ("changed time to live", v4(22, 1), FrameError::Checksum),
        ("IPv4 longer than the frame", v4(17, 0xFF), FrameError::Checksum),
        ("UDP longer than its packet", v4(39, 0xFF), FrameError::Truncated),
        ("UDP shorter than its header", v4(39, 7), FrameError::Truncated),
        ("IPv6 version 4", v6(14, 0x40), FrameError::NotPlainUdp),
        ("IPv6 fragment header", v6(20, 44), FrameError::NotPlainUdp),
        ("IPv6 hop-by-hop options", v6(20, 0), FrameError::NotPlainUdp),
        ("IPv6 longer than the frame", v6(19, 0xFF), FrameError::Truncated),
        ("IPv6 multicast source", v6(22, 0xFF), FrameError::Source),
        ("IPv6 without a checksum", change(v6_pair(), &[(60, 0), (61, 0)]), FrameError::Checksum),
    ];
    for (what, frame, reason) in table {
        assert_eq!(parse(&frame), Err(reason), "{what}");
    }
    for source in ["0.0.0.0:9", "255.255.255.255:9", "224.0.0.1:9"] {
        let frame = built((source.parse().unwrap(), v4_pair().1), None, &[1], 0);
        assert_eq!(parse(&frame), Err(FrameError::Source), "{source}");
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused() {
    for pair in [v4_pair(), v6_pair()] {
        for vlan in [None, Some(7)] {
            let frame = built(pair, vlan, &[1, 2, 3], 0);
            assert!(parse(&frame).is_ok());
            for len in 0..frame.len() {
                assert_eq!(parse(&frame[..len]), Err(FrameError::Truncated), "{len}");
            }
        }
    }
}

#[test]
fn two_tags_are_one_too_many_and_a_provider_tag_is_a_tag() {
    let mut frame = built(v4_pair(), Some(7), &[1], 0);
    frame[12..14].copy_from_slice(&[0x88, 0xA8]);
    assert!(parse(&frame).is_ok());
    frame.splice(12..12, [0x88, 0xA8, 0, 9]);
    assert_eq!(parse(&frame), Err(FrameError::NotIp));
}

#[test]
fn a_frame_that_cannot_be_written_is_left_alone() {
    let link = LinkHeader::default();
    let (source, destination) = v4_pair();
    let departure = |source, destination| Departure {
        link: &link,
        source,
        destination,
        traffic_class: 46 << 2,
        hop_limit: 64,
        dont_fragment: true,
        identification: 0,
    };
    let whole = departure(source, destination);
    let mixed = departure(source, v6_pair().1);
    let tables = [(41, whole, FrameError::Truncated), (66_000, whole, FrameError::Truncated)];
    for (len, departure, reason) in tables.into_iter().chain([(100, mixed, FrameError::Families)]) {
        let mut frame = vec![0x55; len];
        assert_eq!(write(&mut frame, &departure), Err(reason), "{len}");
        assert!(frame.iter().all(|octet| *octet == 0x55));
    }
}

#[test]
fn a_udp_checksum_that_comes_out_as_zero_is_sent_as_all_ones() {
    let link = LinkHeader::default();
    for (source, destination) in [v4_pair(), v6_pair()] {
        let departure = Departure {
            link: &link,
            source,
            destination,
            traffic_class: 0,
            hop_limit: 1,
            dont_fragment: true,
            identification: 0,
        };
        let at = header_len(&departure);
        // The checksum of a payload of zeroes, put into the payload, makes the sum all ones.
        let mut frame = vec![0; at + 2];
        write(&mut frame, &departure).unwrap();
        let checksum = [frame[at - 2], frame[at - 1]];
        frame[at..].copy_from_slice(&checksum);
        write(&mut frame, &departure).unwrap();
        assert_eq!(frame[at - 2..at], [0xFF, 0xFF]);
    }
}

/// RFC 1071 section 3.
#[test]
fn the_sum_is_that_of_the_rfc_wherever_it_is_cut_at_an_even_place() {
    let octets = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
    for at in [0, 2, 4, 6, 8] {
        let sum = Sum::default().add(&octets[..at]).add(&octets[at..]);
        assert_eq!(sum.checksum(), [0x22, 0x0D], "{at}");
    }
    assert_eq!(Sum::default().add(&[0xAB]).checksum(), Sum::default().add(&[0xAB, 0]).checksum());
    assert!(Sum::default().add(&octets).add(&[0x22, 0x0D]).is_whole());
}

/// A whole frame of 50 or 70 octets with some octets changed, checksums left as they were.
fn change(pair: (SocketAddr, SocketAddr), changes: &[(usize, u8)]) -> Vec<u8> {
    let mut frame = built(pair, None, &[1; 8], 0);
    for (at, value) in changes {
        frame[*at] = *value;
    }
    frame
}
