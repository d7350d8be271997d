//! The program in the kernel: run on frames by `BPF_PROG_TEST_RUN`, attached to veth.

mod attaching;

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    ops::RangeInclusive,
    os::fd::FromRawFd,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use etherparse::{PacketBuilder, PacketBuilderStep, VlanId, ip_number};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{assembler::Instruction, *};
use crate::testing::{Namespace, skip};

const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;
const ADDRESS_V4: [u8; 4] = [192, 0, 2, 1];
const ADDRESS_V6: [u8; 16] = [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PORTS: RangeInclusive<u16> = 40_000..=40_999;

/// The tag of the realms.
const VLAN: u16 = 7;

fn realms(vlan: Option<u16>) -> [RealmFilter; 2] {
    [
        RealmFilter { address: ADDRESS_V4.into(), ports: PORTS, vlan },
        RealmFilter { address: ADDRESS_V6.into(), ports: PORTS, vlan },
    ]
}

/// A program with a socket in its first queue; `None` was told as a skip.
fn loaded() -> Option<(Program, OwnedFd)> {
    loaded_with(Some(VLAN))
}

fn loaded_with(vlan: Option<u16>) -> Option<(Program, OwnedFd)> {
    match Program::load(&realms(vlan), 1) {
        Ok(program) => {
            let socket = xdp_socket();
            program.register(0, socket.as_fd()).unwrap();
            Some((program, socket))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            skip("root");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn xdp_socket() -> OwnedFd {
    // SAFETY: takes numbers, touches no memory.
    let descriptor = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    assert!(descriptor >= 0, "{}", io::Error::last_os_error());
    // SAFETY: just made for us.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// What the program answers to a frame (`BPF_PROG_TEST_RUN`; the kernel takes 14 octets at least).
fn answer(program: BorrowedFd<'_>, frame: &[u8]) -> u32 {
    #[repr(C)]
    struct TestRun {
        prog_fd: u32,
        retval: u32,
        data_size_in: u32,
        data_size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
    }
    let mut attribute = TestRun {
        prog_fd: u32::try_from(program.as_raw_fd()).unwrap(),
        retval: u32::MAX,
        data_size_in: u32::try_from(frame.len()).unwrap(),
        data_size_out: 0,
        data_in: frame.as_ptr().expose_provenance() as u64,
        data_out: 0,
        repeat: 1,
        duration: 0,
    };
    // SAFETY: pointer and length describe `attribute`, which outlives the call and takes the
    // answer; the frame behind `data_in` outlives it too and is only read.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, 10, &raw mut attribute, std::mem::size_of::<TestRun>())
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    attribute.retval
}

fn ethernet() -> PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
}

/// A datagram with 20 octets of payload for a port of the realm's IPv4 or IPv6 address.
fn datagram(v6: bool, vlan: Option<u16>, port: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    let ip = match (vlan.map(|vlan| VlanId::try_new(vlan).unwrap()), v6) {
        (None, false) => ethernet().ipv4([192, 0, 2, 9], ADDRESS_V4, 64),
        (Some(vlan), false) => ethernet().single_vlan(vlan).ipv4([192, 0, 2, 9], ADDRESS_V4, 64),
        (None, true) => ethernet().ipv6([0x20; 16], ADDRESS_V6, 64),
        (Some(vlan), true) => ethernet().single_vlan(vlan).ipv6([0x20; 16], ADDRESS_V6, 64),
    };
    ip.udp(5_000, port).write(&mut frame, &[7; 20]).unwrap();
    frame
}

fn changed(mut frame: Vec<u8>, changes: &[(usize, u8)]) -> Vec<u8> {
    for (at, value) in changes {
        frame[*at] = *value;
    }
    frame
}

fn tcp() -> Vec<u8> {
    let mut frame = Vec::new();
    let tcp = ethernet().ipv4([192, 0, 2, 9], ADDRESS_V4, 64).tcp(5_000, 40_000, 0, 100);
    tcp.write(&mut frame, &[7; 20]).unwrap();
    frame
}

#[test]
fn media_goes_to_the_socket_untagged_and_tagged_over_both_families() {
    let Some((program, _socket)) = loaded() else { return };
    for v6 in [false, true] {
        for vlan in [None, Some(0), Some(VLAN)] {
            for port in [40_000, 40_500, 40_999] {
                let mut frame = datagram(v6, vlan, port);
                assert_eq!(answer(program.code.as_fd(), &frame), XDP_REDIRECT, "{v6} {vlan:?}");
                frame.extend([0; 30]);
                assert_eq!(answer(program.code.as_fd(), &frame), XDP_REDIRECT, "padded");
            }
        }
    }
    // The priority in the tag is not a part of its number.
    let urgent = changed(datagram(false, Some(VLAN), 40_000), &[(14, 0xE0)]);
    assert_eq!(answer(program.code.as_fd(), &urgent), XDP_REDIRECT);
}

#[test]
fn a_frame_with_another_tag_than_the_realms_goes_to_the_kernel() {
    let Some((of_vlan, _one)) = loaded() else { return };
    let Some((without, _other)) = loaded_with(None) else { return };
    for v6 in [false, true] {
        for vlan in [1, 6, 8, 100, VLAN + 256, 4_094] {
            let frame = datagram(v6, Some(vlan), 40_000);
            assert_eq!(answer(of_vlan.code.as_fd(), &frame), XDP_PASS, "{v6} {vlan}");
            assert_eq!(answer(without.code.as_fd(), &frame), XDP_PASS, "{v6} {vlan}");
        }
        let tagged = datagram(v6, Some(VLAN), 40_000);
        assert_eq!(answer(without.code.as_fd(), &tagged), XDP_PASS);
        for vlan in [None, Some(0)] {
            let frame = datagram(v6, vlan, 40_000);
            assert_eq!(answer(without.code.as_fd(), &frame), XDP_REDIRECT);
        }
        // A provider's tag (IEEE 802.1ad) is none of ours, whatever its number.
        let provider = changed(tagged, &[(12, 0x88), (13, 0xA8)]);
        assert_eq!(answer(of_vlan.code.as_fd(), &provider), XDP_PASS);
    }
}

#[test]
fn everything_else_goes_to_the_kernel() {
    let Some((program, _socket)) = loaded() else { return };
    let v4 = |changes: &[(usize, u8)]| changed(datagram(false, None, 40_000), changes);
    let v6 = |changes: &[(usize, u8)]| changed(datagram(true, None, 40_000), changes);
    let table = [
        ("port below", datagram(false, None, 39_999)),
        ("port above", datagram(false, Some(VLAN), 41_000)),
        ("port below, IPv6", datagram(true, None, 39_999)),
        ("port above, IPv6", datagram(true, None, 41_000)),
        ("another address", v4(&[(33, 2)])),
        ("another address, IPv6", v6(&[(53, 2)])),
        ("another first word, IPv6", v6(&[(38, 0x21)])),
        ("ARP", v4(&[(12, 0x08), (13, 0x06)])),
        ("two tags", changed(datagram(false, Some(VLAN), 40_000), &[(16, 0x81), (17, 0)])),
        ("TCP", tcp()),
        ("IPv4 options", v4(&[(14, 0x46)])),
        ("version 6 in an IPv4 frame", v4(&[(14, 0x65)])),
        ("first fragment", v4(&[(20, 0x20)])),
        ("last fragment", v4(&[(20, 0), (21, 1)])),
        ("later fragment", v4(&[(20, 0x20), (21, 0xB9)])),
        ("IPv4 length below the headers", v4(&[(17, 27)])),
        ("IPv4 length beyond the frame", v4(&[(17, 49)])),
        ("UDP length beyond the packet", v4(&[(39, 29)])),
        ("UDP length below its header", v4(&[(39, 7)])),
        ("IPv6 hop-by-hop options", v6(&[(20, 0)])),
        ("IPv6 fragment", v6(&[(20, 44)])),
        ("neighbour discovery", v6(&[(20, ip_number::IPV6_ICMP.0)])),
        ("version 4 in an IPv6 frame", v6(&[(14, 0x45)])),
        ("IPv6 length beyond the frame", v6(&[(19, 29)])),
        ("IPv6 length below the header", v6(&[(19, 7)])),
        ("IPv6 without a checksum", v6(&[(60, 0), (61, 0)])),
    ];
    for (what, frame) in table {
        assert_eq!(answer(program.code.as_fd(), &frame), XDP_PASS, "{what}");
    }
}

#[test]
fn a_datagram_cut_anywhere_goes_to_the_kernel() {
    let Some((program, _socket)) = loaded() else { return };
    for (v6, vlan) in [(false, None), (true, None), (false, Some(VLAN)), (true, Some(VLAN))] {
        let frame = datagram(v6, vlan, 40_000);
        for len in 14..frame.len() {
            let cut = &frame[..len];
            assert_eq!(answer(program.code.as_fd(), cut), XDP_PASS, "{v6} {vlan:?} {len}");
        }
    }
}

#[test]
fn without_a_socket_in_the_queue_media_goes_to_the_kernel() {
    let Some((program, socket)) = loaded() else { return };
    let frame = datagram(false, None, 40_000);
    program.unregister(0).unwrap();
    assert_eq!(answer(program.code.as_fd(), &frame), XDP_PASS);
    program.register(0, socket.as_fd()).unwrap();
    assert_eq!(answer(program.code.as_fd(), &frame), XDP_REDIRECT);
    assert!(program.register(1, socket.as_fd()).is_err());
}

#[test]
fn many_realms_fit_and_too_many_or_no_queues_are_refused() {
    let Some((_program, _socket)) = loaded() else { return };
    let many: Vec<_> = realms(None).into_iter().cycle().take(filter::MOST_REALMS).collect();
    Program::load(&many, 64).unwrap();
    let more: Vec<_> = realms(None).into_iter().cycle().take(filter::MOST_REALMS + 1).collect();
    for refused in [Program::load(&more, 1), Program::load(&many, 0)] {
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_program_that_the_verifier_refuses_is_told_with_its_reason() {
    let Some((_program, _socket)) = loaded() else { return };
    let mut endless = assembler::Assembler::default();
    endless.set(assembler::Register::R1, 0);
    let (error, log) = kernel::load(&endless.finish().unwrap()).unwrap_err();
    let text = explained(&error, "cannot load", &log).to_string();
    assert!(!log.is_empty() && text.ends_with(&log), "{text}");
}

/// The same frames, and ones changed at random, to the program that clang makes of `filter.c`.
#[test]
fn the_program_answers_as_the_one_in_c_does() {
    let Some((ours, _socket)) = loaded() else { return };
    let Some(mut code) = compiled() else { return };
    let map = ours.sockets.as_raw_fd();
    let patched = code.iter_mut().filter_map(|one| one.patch_map(0x0A67_000A, map).then_some(()));
    assert_eq!(patched.count(), 1);
    let theirs = kernel::load(&code).unwrap();
    let frames = (any::<[bool; 2]>(), proptest::collection::vec((0_usize..70, any::<u8>()), 0..3));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(4_000));
    let verdict = runner.run(&(frames, 39_998_u16..41_002, 0_usize..60), |(frame, port, cut)| {
        let ([v6, tagged], changes) = frame;
        let mut frame = datagram(v6, tagged.then_some(VLAN), port);
        for (at, value) in changes {
            let at = at % frame.len();
            frame[at] = value;
        }
        // Cut short in a third of the cases.
        let len = if cut < 20 { frame.len() - cut } else { frame.len() };
        let frame = &frame[..len.max(14)];
        prop_assert_eq!(answer(ours.code.as_fd(), frame), answer(theirs.as_fd(), frame));
        Ok(())
    });
    verdict.unwrap();
}

/// `filter.c` as instructions; `None` was told as a skip.
fn compiled() -> Option<Vec<Instruction>> {
    let Some(suffix) = ["", "-19", "-18", "-17", "-16", "-15", "-14"]
        .iter()
        .find(|suffix| Command::new(format!("clang{suffix}")).arg("--version").output().is_ok())
    else {
        skip("clang");
        return None;
    };
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/program/filter.c");
    let object = scratch(&format!("agw-filter-{}.o", std::process::id()));
    let [octets, v4] = [ADDRESS_V6.map(|octet| octet.to_string()).join(","), {
        u32::from_be_bytes(ADDRESS_V4).to_string()
    }];
    let built = Command::new(format!("clang{suffix}"))
        .args(["-O2", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", "-c", source, "-o"])
        .arg(&object)
        .args([format!("-DADDRESS_V4={v4}u"), format!("-DADDRESS_V6={octets}")])
        .args([format!("-DPORT_LOW={}", PORTS.start()), format!("-DPORT_HIGH={}", PORTS.end())])
        .arg(format!("-DVLAN={VLAN}"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let elf = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    let (instructions, rest) = section(&elf, "xdp").as_chunks::<8>();
    assert!(rest.is_empty());
    Some(instructions.iter().map(|octets| Instruction::from_octets(*octets)).collect())
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

/// A section of a 64-bit ELF file in this machine's byte order.
fn section<'a>(elf: &'a [u8], wanted: &str) -> &'a [u8] {
    let number = |at: usize| u64::from_ne_bytes(elf[at..at + 8].try_into().unwrap()) as usize;
    let half = |at: usize| u16::from_ne_bytes(elf[at..at + 2].try_into().unwrap()) as usize;
    let word = |at: usize| u32::from_ne_bytes(elf[at..at + 4].try_into().unwrap()) as usize;
    let (table, count, names) = (number(40), half(60), half(62));
    let content = |index: usize| {
        let header = table + index * 64;
        &elf[number(header + 24)..][..number(header + 32)]
    };
    let found = (0..count).find(|index| {
        let name = &content(names)[word(table + index * 64)..];
        name.starts_with(wanted.as_bytes()) && name[wanted.len()] == 0
    });
    content(found.expect("the section"))
}

/// A namespace with `va` (192.0.2.1) and one with `vb` (192.0.2.2) at its other end.
fn pair() -> Option<(Namespace, Namespace)> {
    let (near, far) = (Namespace::new()?, Namespace::new()?);
    near.connect("va", &far, "vb", 2);
    near.ip("addr add 192.0.2.1/24 dev va");
    far.ip("addr add 192.0.2.2/24 dev vb");
    Some((near, far))
}

/// Binds as soon as no child process, on its way to its own program, has a copy of the last socket.
fn bind(address: SocketAddr) -> UdpSocket {
    loop {
        match UdpSocket::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

/// Whether a datagram to the port arrives at a kernel socket, before one to a port that is no
/// realm's.
fn arrives(near: &Namespace, far: &Namespace, port: u16) -> bool {
    let bound = |port| near.run(|| bind((ADDRESS_V4, port).into()));
    let (receiver, other) = (bound(port), bound(39_001));
    other.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let sender = far.run(|| UdpSocket::bind("192.0.2.2:0").unwrap());
    for to in [&receiver, &other] {
        sender.send_to(&[1], to.local_addr().unwrap()).unwrap();
    }
    other.recv(&mut [0; 4]).unwrap();
    // It may come by another queue.
    receiver.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    receiver.recv(&mut [0; 4]).is_ok()
}
