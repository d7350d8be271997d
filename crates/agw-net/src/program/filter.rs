//! Which frames go to the AF_XDP sockets, as a BPF program.
//!
//! `filter.c` says the same in C: the easier read, and a test holds the two together.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

use super::assembler::{
    Assembler,
    Condition::{Equal, Greater, Less, NotEqual},
    Instruction, Label,
    Register::{self, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9},
    Width::{Half, Octet, Word},
};

/// A realm's address and the ports at it that are media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RealmFilter {
    pub(crate) address: IpAddr,
    pub(crate) ports: RangeInclusive<u16>,
    /// Its VLAN identifier, 1 to 4094. Frames with another tag are not its own; those without one
    /// are, since cards take tags off before a program sees them.
    pub(crate) vlan: Option<u16>,
}

/// What a program answers (`enum xdp_action`).
pub(super) const XDP_PASS: i32 = 2;

/// Where in `struct xdp_md` the fields are.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const RX_QUEUE_INDEX: i16 = 16;

const HELPER_REDIRECT_MAP: i32 = 51;

/// Most realms in one program: with 25 instructions for one all jumps stay short.
pub(super) const MOST_REALMS: usize = 256;

/// The program: UDP without options, extension headers or fragments, untagged or with the IEEE
/// 802.1Q tag of its realm, to an address of `filter` and a port of its range, goes to the socket of its queue in `map`;
/// everything else, and all of it where a queue has no socket, goes to the kernel. Frames shorter
/// than their headers say go to the kernel too.
///
/// `None` for more than [`MOST_REALMS`].
pub(super) fn assemble(filter: &[RealmFilter], map: i32) -> Option<Vec<Instruction>> {
    if filter.len() > MOST_REALMS {
        return None;
    }
    let mut code = Assembler::default();
    let [network, v4, v6, redirect, pass] = std::array::from_fn(|_| code.label());
    code.copy(R8, R1);
    code.load(R6, Word, R1, DATA);
    code.load(R7, Word, R1, DATA_END);
    // From here R6 is the frame, R7 its end, R8 the context, R9 the VLAN identifier or 0.
    code.set(R9, 0);
    need(&mut code, 14, pass);
    code.load(R3, Half, R6, 12);
    code.jump_if(R3, NotEqual, wire(0x8100), network);
    need(&mut code, 18, pass);
    // Without priority; 0 is as good as no tag.
    code.load(R9, Half, R6, 14);
    code.and(R9, i32::from(u16::from_ne_bytes([0x0F, 0xFF])));
    code.load(R3, Half, R6, 16);
    // As if the tag were not there.
    code.add(R6, 4);
    code.place(network);
    code.jump_if(R3, Equal, wire(0x0800), v4);
    code.jump_if(R3, Equal, wire(0x86DD), v6);
    code.jump(pass);
    code.place(v4);
    ipv4(&mut code, filter, redirect, pass);
    code.place(v6);
    ipv6(&mut code, filter, redirect, pass);
    code.place(redirect);
    code.load_map(R1, map);
    code.load(R2, Word, R8, RX_QUEUE_INDEX);
    code.set(R3, XDP_PASS);
    code.call(HELPER_REDIRECT_MAP);
    code.exit();
    code.place(pass);
    code.set(R0, XDP_PASS);
    code.exit();
    code.finish()
}

/// The IPv4 header is 14 octets behind R6.
fn ipv4(code: &mut Assembler, filter: &[RealmFilter], redirect: Label, pass: Label) {
    need(code, 14 + 20 + 8, pass);
    code.load(R4, Octet, R6, 14);
    code.jump_if(R4, NotEqual, 0x45, pass);
    code.load(R4, Octet, R6, 14 + 9);
    code.jump_if(R4, NotEqual, 17, pass);
    // More fragments, or an offset.
    code.load(R4, Half, R6, 14 + 6);
    code.and(R4, i32::from(u16::from_ne_bytes([0x3F, 0xFF])));
    code.jump_if(R4, NotEqual, 0, pass);
    // R4: octets behind the header.
    code.load(R4, Half, R6, 14 + 2);
    code.network_to_number(R4);
    code.jump_if(R4, Less, 20 + 8, pass);
    code.add(R4, -20);
    whole_datagram(code, 14 + 20, pass);
    code.load(R1, Word, R6, 14 + 16);
    for realm in filter {
        let IpAddr::V4(address) = realm.address else { continue };
        let next = code.label();
        code.jump_if(R1, NotEqual, word(address), next);
        in_range(code, realm, redirect, next);
    }
    code.jump(pass);
}

/// The IPv6 header is 14 octets behind R6.
fn ipv6(code: &mut Assembler, filter: &[RealmFilter], redirect: Label, pass: Label) {
    need(code, 14 + 40 + 8, pass);
    code.load(R4, Octet, R6, 14);
    code.and(R4, 0xF0);
    code.jump_if(R4, NotEqual, 0x60, pass);
    code.load(R4, Octet, R6, 14 + 6);
    code.jump_if(R4, NotEqual, 17, pass);
    // No checksum: not allowed, the kernel counts it.
    code.load(R4, Half, R6, 14 + 40 + 6);
    code.jump_if(R4, Equal, 0, pass);
    // R4: octets behind the header.
    code.load(R4, Half, R6, 14 + 4);
    code.network_to_number(R4);
    code.jump_if(R4, Less, 8, pass);
    whole_datagram(code, 14 + 40, pass);
    let words = [(R0, 14 + 24), (R1, 14 + 28), (R2, 14 + 32), (R3, 14 + 36)];
    for (register, offset) in words {
        code.load(register, Word, R6, offset);
    }
    for realm in filter {
        let IpAddr::V6(address) = realm.address else { continue };
        let next = code.label();
        for ((register, _), word) in words.into_iter().zip(words_v6(address)) {
            code.jump_if(register, NotEqual, word, next);
        }
        in_range(code, realm, redirect, next);
    }
    code.jump(pass);
}

/// Goes to `pass` unless the frame has this many octets behind R6. Uses R2.
fn need(code: &mut Assembler, octets: i32, pass: Label) {
    code.copy(R2, R6);
    code.add(R2, octets);
    code.jump_if_register(R2, Greater, R7, pass);
}

/// Goes to `pass` unless the R4 octets behind the IP header, from `udp` on, are in the frame, and
/// the UDP length is neither less than its header nor more than R4. Leaves the destination port
/// in R5. Uses R2 and R3.
fn whole_datagram(code: &mut Assembler, udp: i16, pass: Label) {
    code.copy(R2, R6);
    code.add(R2, i32::from(udp));
    code.add_register(R2, R4);
    code.jump_if_register(R2, Greater, R7, pass);
    code.load(R3, Half, R6, udp + 4);
    code.network_to_number(R3);
    code.jump_if(R3, Less, 8, pass);
    code.jump_if_register(R3, Greater, R4, pass);
    code.load(R5, Half, R6, udp + 2);
    code.network_to_number(R5);
}

/// Goes to `redirect` if the port in R5 is of the realm's range and the tag its own, else to `next`, which is placed
/// behind.
fn in_range(code: &mut Assembler, realm: &RealmFilter, redirect: Label, next: Label) {
    const PORT: Register = R5;
    let untagged = code.label();
    code.jump_if(R9, Equal, 0, untagged);
    match realm.vlan {
        Some(vlan) => code.jump_if(R9, NotEqual, wire(vlan), next),
        None => code.jump(next),
    }
    code.place(untagged);
    code.jump_if(PORT, Less, u32::from(*realm.ports.start()), next);
    code.jump_if(PORT, Greater, u32::from(*realm.ports.end()), next);
    code.jump(redirect);
    code.place(next);
}

/// A number of 16 bits as it is loaded from the wire.
fn wire(number: u16) -> u32 {
    u32::from(number.to_be())
}

/// An address as it is loaded from the wire.
fn word(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

/// The same for IPv6.
fn words_v6(address: Ipv6Addr) -> Vec<u32> {
    let octets = address.octets();
    let (words, _) = octets.as_chunks::<4>();
    words.iter().map(|word| u32::from_ne_bytes(*word)).collect()
}
