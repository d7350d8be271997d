//! Interfaces that go down, neighbours that move, VLANs.

use std::{io::Read, os::fd::AsRawFd, process::Command, time::Duration};

use super::{
    rig::{PATIENCE, PORTS, Rig, Worker, socket},
    wire::relay,
};
use crate::{
    ErrnoClass, IoCounters, PacketIo, PortToken, SendError, Transmit, XdpPort, XdpRealm, XdpWorker,
    testing::{Namespace, command},
};

/// A worker with port 0 towards the phone and port 1 towards the core.
fn worker(rig: &Rig) -> Worker {
    let mut worker = rig.backend(&Rig::options());
    worker.add(0, "10.1.0.1:40000");
    worker.add(1, "10.2.0.1:40000");
    worker
}

#[test]
fn an_interface_down_is_counted_and_media_goes_on_when_it_is_up_again() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = worker(&rig);
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    let locals = ["10.1.0.1:40000".parse().unwrap(), "10.2.0.1:40000".parse().unwrap()];
    relay(&mut worker, &phone, &core, locals);
    let to_core = |_: PortToken| (PortToken(1), "10.2.0.2:5000".parse().unwrap());

    rig.gateway.ip("link set c0 down");
    let (sent, refused) = (worker.backend.counters().sent, worker.backend.counters().send_errors);
    worker.forward_until(to_core, |worker| {
        phone.send_to(&[1; 172], locals[0]).unwrap();
        worker.backend.counters().send_errors.total() >= refused.total() + 50
    });
    let down = *worker.backend.counters();
    assert!(down.sent <= sent + 2, "{down:?}");

    rig.gateway.ip("link set c0 up");
    core.set_nonblocking(true).unwrap();
    worker.forward_until(to_core, |_| {
        phone.send_to(b"anyone?", locals[0]).unwrap();
        let mut octets = [0; 200];
        matches!(core.recv_from(&mut octets), Ok((7, _)))
    });
    core.set_nonblocking(false).unwrap();
    relay(&mut worker, &phone, &core, locals);
}

#[test]
fn a_link_whose_other_end_is_down_costs_datagrams_that_are_counted() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = worker(&rig);
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    let locals = ["10.1.0.1:40000".parse().unwrap(), "10.2.0.1:40000".parse().unwrap()];
    relay(&mut worker, &phone, &core, locals);
    rig.core.ip("link set c1 down");
    let before = *worker.backend.counters();

    let to_core = |_: PortToken| (PortToken(1), "10.2.0.2:5000".parse().unwrap());
    worker.forward_until(to_core, |worker| {
        phone.send_to(&[1; 172], locals[0]).unwrap();
        worker.backend.counters().send_errors.total() >= before.send_errors.total() + 50
    });

    // Some may still wait for their way: they are told of without anybody sending more.
    worker.forward_until(to_core, |worker| {
        let counters = worker.backend.counters();
        let left = counters.sent - before.sent;
        let refused = counters.send_errors.total() - before.send_errors.total();
        counters.received - before.received == left + refused
    });
}

#[test]
fn a_neighbour_with_a_new_link_address_gets_its_media_there() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = worker(&rig);
    let (phone, core) = (rig.phone("10.1.0.2:5000"), rig.core("10.2.0.2:5000"));
    let locals = ["10.1.0.1:40000".parse().unwrap(), "10.2.0.1:40000".parse().unwrap()];
    relay(&mut worker, &phone, &core, locals);

    rig.core.ip("link set c1 address 02:00:00:00:77:01");
    rig.gateway.ip("neigh replace 10.2.0.2 lladdr 02:00:00:00:77:01 dev c0");

    relay(&mut worker, &phone, &core, locals);
}

#[test]
fn media_of_a_vlan_interface_is_taken_and_sent_with_its_tag_at_the_one_below() {
    let Some(rig) = Rig::new(1) else { return };
    if !rig.gateway.run(|| could("ip", "link add link c0 name c0.9 type vlan id 9")) {
        // Not a skip: what a kernel was built without, nobody can install.
        return println!("this kernel has no VLAN interfaces");
    }
    for (side, device, address) in [(&rig.gateway, "c0", "10.3.0.1"), (&rig.core, "c1", "10.3.0.2")]
    {
        side.ip(&format!("link add link {device} name {device}.7 type vlan id 7"));
        side.ip(&format!("addr add {address}/24 dev {device}.7"));
        side.ip(&format!("link set {device}.7 up"));
        // The tag must be in the frame, where a program can see it.
        side.run(|| could("ethtool", &format!("-K {device} txvlan off rxvlan off")));
    }
    let mut options = Rig::options();
    let address = "10.3.0.1".parse().unwrap();
    options.realms.push(XdpRealm { device: "c0.7".to_owned(), address, ports: PORTS });
    let group = rig.open(&options, 1);
    assert_eq!(group.interfaces.len(), 2);
    let mut worker = Worker::of(group).pop().unwrap();
    let locals = [worker.add(0, "10.1.0.1:40000"), worker.add(1, "10.3.0.1:40000")];
    relay(&mut worker, &rig.phone("10.1.0.2:5000"), &rig.core("10.3.0.2:5000"), locals);
    let fresh = socket(&rig.core, "10.3.0.2:5001");
    fresh.send_to(b"tagged", locals[1]).unwrap();
    assert_eq!(worker.receive(1)[0].2, b"tagged");
}

#[test]
fn a_frame_with_a_tag_that_is_not_the_realms_is_not_media() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = worker(&rig);
    let gateway = rig.gateway.run(|| command("ip", "link show dev a0"));
    let mut words = gateway.split_whitespace().skip_while(|word| *word != "link/ether");
    let octets = words.nth(1).unwrap().split(':');
    let to: Vec<u8> = octets.map(|octet| u8::from_str_radix(octet, 16).unwrap()).collect();
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 9], to.try_into().unwrap())
        .single_vlan(etherparse::VlanId::try_new(7).unwrap())
        .ipv4([10, 1, 0, 2], [10, 1, 0, 1], 64)
        .udp(5_000, 40_000);
    let mut frame = Vec::new();
    builder.write(&mut frame, b"tagged").unwrap();

    send_frame(&rig.phone, "a1", &frame);
    // A priority tag, without a VLAN, is as good as none.
    frame.splice(14..16, [0xE0, 0]);
    let end = frame.len();
    frame.splice(end - 6.., *b"urgent");
    // The checksum does not matter: veth carries a part of one only.
    send_frame(&rig.phone, "a1", &frame);

    let source = "10.1.0.2:5000".parse().unwrap();
    assert_eq!(worker.receive(1), [(0, source, b"urgent".to_vec())]);
}

/// Sends a frame as it is.
fn send_frame(namespace: &Namespace, device: &str, frame: &[u8]) {
    let interface = i32::try_from(namespace.index(device)).unwrap();
    let kind = socket2::Type::RAW;
    let domain = socket2::Domain::PACKET;
    let socket = namespace.run(|| socket2::Socket::new(domain, kind, None)).unwrap();
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: 0,
        sll_ifindex: interface,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    // SAFETY: the descriptor is open while `socket` lives; the pointers and lengths describe
    // `frame` and `address`, which outlive the call; the kernel only reads.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            0,
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    assert_eq!(usize::try_from(sent), Ok(frame.len()));
}

/// Whether a program ended well.
fn could(program: &str, arguments: &str) -> bool {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Whether a program is on an interface of the gateway.
fn has_program(rig: &Rig, device: &str) -> bool {
    rig.gateway.run(|| command("ip", &format!("link show dev {device}"))).contains("prog/xdp")
}

#[test]
fn programs_are_off_once_the_last_worker_is_dropped_and_can_be_put_on_again() {
    let Some(rig) = Rig::new(2) else { return };
    for _ in 0..3 {
        let mut workers = Worker::of(rig.open(&Rig::options(), 2));
        assert!(has_program(&rig, "a0") && has_program(&rig, "c0"));
        workers.pop();
        assert!(has_program(&rig, "a0"));
        drop(workers);
        let end = std::time::Instant::now() + PATIENCE;
        // A child of another test may hold copies of the descriptors for a moment.
        while has_program(&rig, "a0") || has_program(&rig, "c0") {
            assert!(std::time::Instant::now() < end);
        }
    }
}

/// Set in the process that is killed.
const VICTIM: &str = "AGW_NET_TEST_VICTIM";

#[test]
fn a_killed_process_leaves_no_program_and_no_queue_behind() {
    if std::env::var_os(VICTIM).is_some() {
        let group = crate::XdpGroup::open(&Rig::options(), 1).unwrap();
        println!("open");
        std::thread::sleep(Duration::from_secs(60));
        drop(group);
        return;
    }
    let Some(rig) = Rig::new(1) else { return };
    let mut victim = rig.gateway.run(|| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("xdp::tests::link::a_killed_process_leaves_no_program_and_no_queue_behind")
            .env(VICTIM, "1")
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut told = String::new();
    let mut output = victim.stdout.take().unwrap();
    while !told.contains("open") {
        let mut octet = [0];
        output.read_exact(&mut octet).unwrap();
        told.push(char::from(octet[0]));
    }
    assert!(has_program(&rig, "a0"));

    victim.kill().unwrap();
    victim.wait().unwrap();

    assert!(!has_program(&rig, "a0") && !has_program(&rig, "c0"));
    let mut worker = worker(&rig);
    rig.phone("10.1.0.2:5000").send_to(b"alive", "10.1.0.1:40000").unwrap();
    assert_eq!(worker.receive(1)[0].2, b"alive");
}

#[test]
fn what_was_queued_for_an_interface_that_is_gone_is_told_and_counted() {
    let Some(rig) = Rig::new(1) else { return };
    let mut worker = rig.open(&Rig::options(), 1).workers.pop().unwrap();
    let address = "10.2.0.1:40000".parse().unwrap();
    worker.add_port(PortToken(1), XdpPort::new(address)).unwrap();
    let (mut batch, mut counters) = (worker.new_batch().unwrap(), IoCounters::default());
    let destination = "10.2.0.2:5000".parse().unwrap();
    let mut queue = |worker: &mut XdpWorker, counters: &mut IoCounters, count: usize| {
        batch.clear();
        batch.advance(count);
        for slot in 0..count {
            let transmit = Transmit {
                port: PortToken(1),
                destination,
                slot,
                len: 172,
                tag: 7,
                traffic_class: None,
            };
            batch.outbox().push(transmit).unwrap();
        }
        let (mut departures, queued) = batch.departures_mut();
        let mut refused = 0;
        worker.queue_run(&mut departures, queued, counters, &mut |_, _| refused += 1);
        refused
    };
    let end = std::time::Instant::now() + PATIENCE;
    assert_eq!(queue(&mut worker, &mut counters, 1), 0);
    while counters.sent == 0 {
        assert!(std::time::Instant::now() < end);
        worker.tidy(&mut counters);
    }
    let before = counters;

    assert_eq!(queue(&mut worker, &mut counters, 20), 0);
    rig.gateway.ip("link del c0");
    let mut told = 0;
    worker.flush_and_tell(&mut counters, &mut |tag, error| {
        assert_eq!((tag, error), (7, SendError::Errno(ErrnoClass::NoDevice)));
        told += 1;
    });

    assert_eq!((told, counters.sent), (20, before.sent));
    assert_eq!(counters.send_errors.count(ErrnoClass::NoDevice), 20);
    // It is known to be gone for good, and nothing is tried again.
    worker.tidy(&mut counters);
    assert!(!worker.is_stuck());
    assert_eq!(counters.send_errors.count(ErrnoClass::NoDevice), 20);
}
