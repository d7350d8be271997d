//! T21: ICMP errors that nobody has caused.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::scene::Scene;

/// ICMP.
const PROTOCOL: u8 = 1;

#[test]
fn forged_errors_of_every_kind_end_no_call() {
    let Some(mut scene) = Scene::new("T21", "forged ICMP errors") else { return };
    let forger = scene.attackers.forger();
    scene.call.report();
    let [access, access_rtcp, core, core_rtcp] = scene.ports();
    let (phone, far) = (scene.call.access.address(), scene.call.core.address());
    let pairs = [
        (access, phone),
        (access_rtcp, scene.call.access.control_address()),
        (core, far),
        (core_rtcp, scene.call.core.control_address()),
    ];
    // Unreachable with every code, with small and large paths; redirected, expired, unfit.
    let kinds = (0..16).map(|code| (3, code)).chain([(5, 0), (5, 1), (11, 0), (11, 1), (12, 0)]);
    let kinds: Vec<(u8, u8)> = kinds.chain([(4, 0)]).collect();
    for round in 0..20 {
        for (own, peer) in pairs {
            for &(kind, code) in &kinds {
                let path = if round % 2 == 0 { 68u16 } else { 1_400 };
                let error = error(kind, code, path, own, peer);
                // From the peer itself, and from a router that nobody knows.
                for from in [v4(peer), Ipv4Addr::new(203, 0, 113, 66)] {
                    forger.send_packet(from, v4(own), PROTOCOL, 0, &error);
                    scene.row.tried(1);
                }
            }
        }
        scene.call.talk();
        scene.call.report();
    }
    scene.goes_on();
}

/// An error about a datagram from one of the gateway's ports to a peer (RFC 792).
fn error(kind: u8, code: u8, path: u16, own: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let mut about = vec![0x45, 0, 0, 200, 0, 1, 0x40, 0, 64, 17, 0, 0];
    about.extend(v4(own).octets());
    about.extend(v4(peer).octets());
    fill_checksum(&mut about, 10);
    about.extend(own.port().to_be_bytes());
    about.extend(peer.port().to_be_bytes());
    about.extend([0, 180, 0, 0]);
    let mut error = vec![kind, code, 0, 0, 0, 0];
    error.extend(path.to_be_bytes());
    if kind == 5 {
        // The attackers as the better way.
        error.splice(4..8, [203, 0, 113, 66]);
    }
    error.extend(about);
    fill_checksum(&mut error, 2);
    error
}

/// Writes the Internet checksum (RFC 1071) of octets to where it belongs.
fn fill_checksum(octets: &mut [u8], at: usize) {
    let words = octets.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap_or_default();
    let place = octets.get_mut(at..at + 2).expect("a place");
    place.copy_from_slice(&checksum.to_be_bytes());
}

fn v4(address: SocketAddr) -> Ipv4Addr {
    match address.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => panic!("{ip} is not of IPv4"),
    }
}
