//! T11: datagrams that are too long, and fragments that do not fit together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use agw_tests::stage::{self, Backend};

use crate::scene::{Scene, since};

const TITLE: &str = "jumbo datagrams and fragments";
/// UDP.
const PROTOCOL: u8 = 17;
/// More fragments.
const MORE: u16 = 1 << 13;

#[test]
fn datagrams_longer_than_any_media_packet_are_dropped() {
    let Some(mut scene) = Scene::new("T11", TITLE) else { return };
    let stranger = scene.attackers.socket();
    let ports = scene.ports();
    let before = scene.settled();
    let mut sent = 0;
    for _ in 0..20 {
        for port in ports {
            for octets in [1_473, 2_049, 4_000, 9_000, 60_000, 65_507] {
                let mut jumbo = scene.forged(700);
                jumbo.resize(octets, 0);
                stranger.send_to(&jumbo, port).expect("a datagram sent");
                sent += 1;
            }
        }
        scene.call.talk();
    }
    let after = scene.settled();
    let dropped = since(&before, &after);
    assert_eq!(after.forwarded, before.forwarded + 40, "{dropped:?}");
    // Fragments are the kernel's, and with xdp no socket of its has the port.
    let is_counted = dropped.values().sum::<u64>() > 0;
    assert_eq!(is_counted, stage::backend() == Backend::Sockets, "{dropped:?}");
    scene.row.tried(sent);
    scene.goes_on();
}

#[test]
fn fragments_that_overlap_or_never_end_are_dropped() {
    let Some(mut scene) = Scene::new("T11", TITLE) else { return };
    let forger = scene.attackers.forger();
    let phone = scene.call.access.address();
    let to = scene.ports()[0];
    let (from, there) = (v4(phone), v4(to));
    let before = scene.settled();
    for _ in 0..100 {
        let media = scene.forged(700);
        let mut datagram = Vec::new();
        datagram.extend(phone.port().to_be_bytes());
        datagram.extend(to.port().to_be_bytes());
        datagram.extend(u16::try_from(8 + media.len()).expect("a length").to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(media);
        let [head, middle, tail] = [0..64, 32..128, 64..datagram.len()];
        // Over the head, before it, beyond the end of any datagram, without an end.
        for (offset, more, part) in [
            (0, MORE, &head),
            (32, MORE, &middle),
            (64, 0, &tail),
            (8, MORE, &head),
            (65_528, 0, &head),
            (128, MORE, &middle),
        ] {
            let word = u16::try_from(offset / 8).expect("an offset") | more;
            let part = datagram.get(part.clone()).expect("a part");
            if offset + part.len() < 65_515 {
                forger.send_packet(from, there, PROTOCOL, word, part);
            } else {
                forger.send_packet(from, there, PROTOCOL, word, part.get(..8).expect("octets"));
            }
            scene.row.tried(1);
        }
        scene.call.talk();
    }
    let after = scene.settled();
    assert_eq!(after.forwarded, before.forwarded + 200);
    scene.goes_on();
}

fn v4(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip} is not of IPv4"),
    }
}
