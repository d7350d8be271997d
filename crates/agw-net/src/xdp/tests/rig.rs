//! A gateway's namespace between a phone's and a core's.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use crate::{
    AttachMode, Batch, MediaBackend, MediaPort, PacketIo, PortToken, SendError, SocketsOptions,
    Transmit, XdpGroup, XdpMode, XdpOptions, XdpPort, XdpRealm, testing::Namespace,
};

/// Never reached unless something is broken.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const PORTS: std::ops::RangeInclusive<u16> = 40_000..=40_999;

/// Three namespaces: `a0` of the gateway leads to `a1` of the phone, `c0` to `c1` of the core.
/// Gateway addresses end in 1, the others' in 2; networks 10.1.0.0/24 and fd01::/64 on the phone's
/// side, 10.2.0.0/24 and fd02::/64 on the core's.
pub(super) struct Rig {
    pub(super) gateway: Namespace,
    pub(super) phone: Namespace,
    pub(super) core: Namespace,
}

impl Rig {
    /// `None` was told as a skip.
    pub(super) fn new(queues: u32) -> Option<Self> {
        let gateway = Namespace::new()?;
        let rig = Self { gateway, phone: Namespace::new()?, core: Namespace::new()? };
        rig.gateway.connect("a0", &rig.phone, "a1", queues);
        rig.gateway.connect("c0", &rig.core, "c1", queues);
        let sides = [("a0", &rig.phone, "a1", 1), ("c0", &rig.core, "c1", 2)];
        for (near, other, far, network) in sides {
            rig.gateway.ip(&format!("addr add 10.{network}.0.1/24 dev {near}"));
            other.ip(&format!("addr add 10.{network}.0.2/24 dev {far}"));
            rig.gateway.ip(&format!("addr add fd0{network}::1/64 dev {near} nodad"));
            other.ip(&format!("addr add fd0{network}::2/64 dev {far} nodad"));
        }
        Some(rig)
    }

    /// Realms for all four addresses of the gateway.
    pub(super) fn options() -> XdpOptions {
        let realm = |device: &str, address: &str| XdpRealm {
            device: device.to_owned(),
            address: address.parse().unwrap(),
            ports: PORTS,
        };
        XdpOptions {
            realms: vec![
                realm("a0", "10.1.0.1"),
                realm("a0", "fd01::1"),
                realm("c0", "10.2.0.1"),
                realm("c0", "fd02::1"),
            ],
            ring: 256,
            attach: AttachMode::Native,
            mode: XdpMode::Copy,
            ..XdpOptions::default()
        }
    }

    /// All ports of an address at the other end.
    pub(super) fn peer(device: &str, address: &str) -> XdpOptions {
        let (device, address) = (device.to_owned(), address.parse().unwrap());
        let realms = vec![XdpRealm { device, address, ports: 1..=u16::MAX }];
        XdpOptions { realms, ..Self::options() }
    }

    pub(super) fn open(&self, options: &XdpOptions, workers: usize) -> XdpGroup {
        self.gateway.run(|| XdpGroup::open(options, workers)).unwrap()
    }

    /// A backend of one worker.
    pub(super) fn backend(&self, options: &XdpOptions) -> Worker {
        let group = self.open(options, 1);
        Worker::of(group).pop().unwrap()
    }

    pub(super) fn phone(&self, address: &str) -> UdpSocket {
        socket(&self.phone, address)
    }

    pub(super) fn core(&self, address: &str) -> UdpSocket {
        socket(&self.core, address)
    }
}

pub(super) fn socket(namespace: &Namespace, address: &str) -> UdpSocket {
    let socket = namespace.run(|| UdpSocket::bind(address)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A backend and its batch.
pub(super) struct Worker {
    pub(super) backend: MediaBackend,
    pub(super) batch: Batch,
}

impl Worker {
    pub(super) fn of(group: XdpGroup) -> Vec<Self> {
        let shares = group.workers.into_iter();
        shares
            .map(|share| {
                let options = SocketsOptions::default();
                let mut backend = MediaBackend::new(options, Some(share)).unwrap();
                let batch = backend.new_batch().unwrap();
                Self { backend, batch }
            })
            .collect()
    }

    /// Adds an `xdp` port.
    pub(super) fn add(&mut self, token: u32, address: &str) -> SocketAddr {
        let port = XdpPort { dscp: 46, ..XdpPort::new(address.parse().unwrap()) };
        self.backend.add_port(PortToken(token), MediaPort::Xdp(port)).unwrap();
        port.address
    }

    /// What the next rounds bring, at least `count` datagrams: token, source, payload.
    pub(super) fn receive(&mut self, count: usize) -> Vec<(u32, SocketAddr, Vec<u8>)> {
        let (mut datagrams, end) = (Vec::new(), Instant::now() + PATIENCE);
        while datagrams.len() < count {
            assert!(Instant::now() < end, "{} of {count}", datagrams.len());
            datagrams.extend(self.round(Duration::from_millis(50)));
        }
        datagrams
    }

    /// What the next round brings.
    pub(super) fn round(&mut self, wait: Duration) -> Vec<(u32, SocketAddr, Vec<u8>)> {
        self.backend.receive(&mut self.batch, Some(wait)).unwrap();
        let slots = self.batch.slots_mut();
        slots.map(|slot| (slot.port.0, slot.source, slot.octets[..slot.len].to_vec())).collect()
    }

    /// One round: sends every datagram from the port and to the address that `way` tells for the
    /// port it came by.
    pub(super) fn forward(
        &mut self,
        way: impl Fn(PortToken) -> (PortToken, SocketAddr),
    ) -> (usize, Vec<SendError>) {
        self.backend.receive(&mut self.batch, Some(Duration::from_millis(20))).unwrap();
        let (slots, mut outbox) = self.batch.split_mut();
        for slot in slots {
            let (port, destination) = way(slot.port);
            let (index, len) = (slot.index, slot.len);
            outbox
                .push(Transmit { port, destination, slot: index, len, tag: 7, traffic_class: None })
                .unwrap();
        }
        let mut errors = Vec::new();
        let sent = self.backend.transmit(&mut self.batch, |tag, error| {
            assert_eq!(tag, 7);
            errors.push(error);
        });
        (sent, errors)
    }

    /// Rounds until `done`.
    pub(super) fn forward_until(
        &mut self,
        way: impl Fn(PortToken) -> (PortToken, SocketAddr),
        mut done: impl FnMut(&mut Self) -> bool,
    ) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{:?}", self.backend.counters());
            self.forward(&way);
        }
    }
}
