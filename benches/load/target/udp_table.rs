//! The kernel's table of UDP sockets, for targets that do not count what it drops.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// Datagrams that the kernel dropped at the sockets of these addresses and ports, in the network
/// namespace of the process `pid`. Sockets that are closed by now are left out.
///
/// # Errors
/// The table cannot be read: the process is gone.
pub(super) fn drops(
    pid: u32,
    addresses: &[IpAddr],
    ports: &RangeInclusive<u16>,
) -> io::Result<u64> {
    let mut drops = 0;
    for table in ["udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        drops += count(&text, addresses, ports);
    }
    Ok(drops)
}

fn count(table: &str, addresses: &[IpAddr], ports: &RangeInclusive<u16>) -> u64 {
    table.lines().skip(1).filter_map(socket).fold(0, |sum, socket| {
        let ours = addresses.contains(&socket.address) && ports.contains(&socket.port);
        if ours { sum + socket.drops } else { sum }
    })
}

struct Socket {
    address: IpAddr,
    port: u16,
    drops: u64,
}

/// Reads `sl: ADDRESS:PORT remote ... drops`, the address in words of the machine's byte order.
fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let drops = fields.next_back()?.parse().ok()?;
    Some(Socket { address: read_address(address)?, port, drops })
}

fn read_address(hex: &str) -> Option<IpAddr> {
    let mut octets = [0; 16];
    let words = hex.len() / 8;
    for (word, place) in octets.chunks_mut(4).take(words).enumerate() {
        let digits = hex.get(word * 8..word * 8 + 8)?;
        place.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
    }
    match words {
        1 => octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        4 => Some(Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_socket_that_overflows_is_found_with_what_it_dropped() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let here = socket.local_addr().unwrap();
        let ports = here.port()..=here.port();
        let sent = 20_000;
        for _ in 0..sent {
            UdpSocket::send_to(&socket, &[0; 1_000], here).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        let mut octets = [0; 1_000];
        let received = std::iter::from_fn(|| socket.recv(&mut octets).ok()).count() as u64;
        assert!(received < sent, "the socket's buffer holds all of it");

        let dropped = drops(std::process::id(), &[here.ip()], &ports).unwrap();

        assert_eq!(received + dropped, sent);
        let elsewhere = ["127.0.0.9".parse().unwrap()];
        assert_eq!(drops(std::process::id(), &elsewhere, &ports).unwrap(), 0);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_recorded_lines_of_both_families_are_read() {
        let v4 = "  12: 0200007F:A7F8 00000000:0000 07 00000000:00000000 00:00000000 00000000     \
                  0        0 41017 2 0000000000000000 17";
        let socket = super::socket(v4).unwrap();
        assert_eq!((socket.address, socket.port), ("127.0.0.2".parse().unwrap(), 43_000));
        assert_eq!(socket.drops, 17);
        let v6 = "  1: B80D0120000000000000000001000000:A7F8 \
                  00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 \
                  0 0 41017 2 0000000000000000 3";
        assert_eq!(super::socket(v6).unwrap().address, "2001:db8::1".parse::<IpAddr>().unwrap());
    }
}
