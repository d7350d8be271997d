//! Ports: how they are bound, added and removed.

#![expect(clippy::tests_outside_test_module, reason = "an integration test is one")]

use std::{
    fs,
    io::ErrorKind,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use agw_net::{Batch, PacketIo, PortOptions, PortToken, UdpPort};
use socket2::SockRef;

use crate::rig::{V4, V6, add, add_with, backend, drain, peer, round};

#[test]
fn removing_a_port_counts_what_was_queued_and_leaves_the_others_alone() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let removed = add(&mut backend, 0, V4);
    let kept = add(&mut backend, 1, V4);
    let (sender, _) = peer(V4);
    sender.send_to(&[0; 20], removed).unwrap();
    assert_eq!(round(&mut backend, &mut batch).len(), 1);
    for _ in 0..5 {
        sender.send_to(&[0; 20], removed).unwrap();
        sender.send_to(&[0; 20], kept).unwrap();
    }

    let counters = backend.remove_port(PortToken(0)).unwrap();

    assert_eq!((counters.received, counters.discarded_at_removal), (1, 5));
    assert_eq!(drain(&mut backend, &mut batch), [1; 5]);
    assert_eq!(backend.counters().discarded_at_removal, 5);
    assert_eq!(backend.port_counters(PortToken(0)), None);
    assert_eq!(backend.remove_port(PortToken(0)).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn the_ledger_of_an_overflowing_port_closes_at_its_removal() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let tiny = PortOptions { receive_buffer_octets: Some(1), ..PortOptions::default() };
    let port = add_with(&mut backend, 0, V4, &tiny);
    let (sender, _) = peer(V4);
    for burst in 0..3 {
        for _ in 0..500 {
            sender.send_to(&[0; 172], port).unwrap();
        }
        if burst < 2 {
            drain(&mut backend, &mut batch);
        }
    }

    let counters = backend.remove_port(PortToken(0)).unwrap();

    assert!(counters.kernel_dropped > 0 && counters.discarded_at_removal > 0);
    let sum = counters.received + counters.kernel_dropped + counters.discarded_at_removal;
    assert_eq!(sum, 1_500);
}

#[test]
fn an_address_and_a_token_are_free_again_after_removal_and_not_before() {
    let mut backend = backend();
    let local = add(&mut backend, 4, V4);
    let second = UdpPort::bind(local, &PortOptions::default());
    assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
    let other = UdpPort::bind(V4, &PortOptions::default()).unwrap();
    let taken = backend.add_port(PortToken(4), other);
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AlreadyExists);

    backend.remove_port(PortToken(4)).unwrap();

    assert_eq!(add(&mut backend, 4, local), local);
}

#[test]
fn a_port_removed_while_another_process_holds_a_copy_is_silent_all_the_same() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let port = UdpPort::bind(V4, &PortOptions::default()).unwrap();
    let local = port.local_address();
    let copy = port.as_fd().try_clone_to_owned().unwrap();
    backend.add_port(PortToken(0), port).unwrap();
    backend.remove_port(PortToken(0)).unwrap();

    let (sender, _) = peer(V4);
    sender.send_to(b"to the copy", local).unwrap();

    assert_eq!(backend.receive(&mut batch, Some(Duration::ZERO)).unwrap(), 0);
    assert_eq!(backend.counters().rounds, 0);
    drop(copy);
}

#[test]
fn what_is_queued_before_a_port_is_added_comes_with_the_first_round() {
    let (mut backend, mut batch) = (backend(), Batch::new());
    let port = UdpPort::bind(V6, &PortOptions::default()).unwrap();
    let (sender, source) = peer(V6);
    sender.send_to(b"early", port.local_address()).unwrap();

    backend.add_port(PortToken(0), port).unwrap();

    assert_eq!(round(&mut backend, &mut batch), [(0, source, b"early".to_vec())]);
}

#[test]
fn the_code_point_is_on_the_socket_and_a_wrong_one_is_refused() {
    let options = PortOptions { dscp: Some(46), ..PortOptions::default() };
    let v4 = UdpPort::bind(V4, &options).unwrap();
    let v6 = UdpPort::bind(V6, &options).unwrap();
    assert_eq!(SockRef::from(&v4).tos_v4().unwrap(), 46 << 2);
    assert_eq!(SockRef::from(&v6).tclass_v6().unwrap(), 46 << 2);

    let wrong = PortOptions { dscp: Some(64), ..PortOptions::default() };
    assert_eq!(UdpPort::bind(V4, &wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_port_is_bound_alone_to_one_family_without_blocking_or_inheritance() {
    for address in [V4, V6] {
        let port = UdpPort::bind(address, &PortOptions::default()).unwrap();
        let socket = SockRef::from(&port);
        assert!(socket.nonblocking().unwrap());
        assert!(closes_on_exec(&port));
        assert!(!socket.reuse_address().unwrap());
        assert!(socket.peer_addr().is_err());
        assert!(address.is_ipv4() || socket.only_v6().unwrap());
        assert_eq!(port.local_address().ip(), address.ip());
    }
}

#[test]
fn buffers_and_device_are_as_wanted_and_an_unknown_device_is_an_error() {
    let options = PortOptions {
        receive_buffer_octets: Some(65_536),
        send_buffer_octets: Some(32_768),
        bind_device: Some("lo".to_owned()),
        ..PortOptions::default()
    };
    let port = UdpPort::bind(V4, &options).unwrap();
    assert_eq!(port.receive_buffer_octets().unwrap(), 131_072);
    assert_eq!(SockRef::from(&port).send_buffer_size().unwrap(), 65_536);
    assert_eq!(SockRef::from(&port).device().unwrap().as_deref(), Some(&b"lo"[..]));

    let wrong = PortOptions { bind_device: Some("no-such".to_owned()), ..PortOptions::default() };
    assert!(UdpPort::bind(V4, &wrong).is_err());
}

fn closes_on_exec(port: &UdpPort) -> bool {
    let number = port.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
    flags & libc::O_CLOEXEC != 0
}
