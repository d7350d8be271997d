//! Media ports on their way from control to a worker.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use agw_context::{ContextId, LocalPort, PortError, Ports};
use agw_net::{MediaPort, UdpPort, XdpPort};
use agw_relay::PortId;

use crate::config::{Realm, RealmBackend};

/// The kernel's words for "no descriptors left": `EMFILE`, `ENFILE`.
const NO_DESCRIPTORS: [i32; 2] = [24, 23];

/// Opens media ports and numbers them.
pub(crate) struct MediaPorts {
    realms: Vec<Realm>,
    /// Ports opened by the transaction under way.
    opened: Vec<(ContextId, PortId, MediaPort)>,
    next: u32,
    resting: VecDeque<(Instant, PortId)>,
    /// How long a number rests, so that nothing late is taken for its next owner's.
    rest: Duration,
    /// Numbers of ports that have no socket, which is what ports of `xdp` realms are.
    without_socket: BTreeSet<PortId>,
    now: Instant,
    /// Ports that have a socket.
    open: usize,
    /// The most there may be, so that control keeps descriptors of its own.
    budget: usize,
}

impl MediaPorts {
    /// No ports, and numbers that rest for `rest`, as ports do.
    pub(crate) fn new(realms: Vec<Realm>, budget: usize, rest: Duration, now: Instant) -> Self {
        Self {
            realms,
            opened: Vec::new(),
            next: 0,
            resting: VecDeque::new(),
            rest,
            without_socket: BTreeSet::new(),
            now,
            open: 0,
            budget,
        }
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.now = now;
    }

    /// The ports that the transaction opened for a context, to be handed over.
    pub(crate) fn take_opened(&mut self, context: ContextId) -> Vec<(PortId, MediaPort)> {
        self.opened
            .extract_if(.., |(owner, ..)| *owner == context)
            .map(|(_, id, port)| (id, port))
            .collect()
    }

    /// Closes what the transaction opened and nobody wanted.
    pub(crate) fn discard_opened(&mut self) {
        for (_, id, _port) in std::mem::take(&mut self.opened) {
            self.forget(id);
        }
    }

    /// A worker is about to close the port.
    pub(crate) fn forget(&mut self, id: PortId) {
        if !self.without_socket.remove(&id) {
            self.open = self.open.saturating_sub(1);
        }
        self.resting.push_back((self.now + self.rest, id));
    }

    /// Ports that have a socket.
    pub(crate) const fn open_count(&self) -> usize {
        self.open
    }

    /// Sockets of those that there may be, in percent.
    pub(crate) fn load(&self) -> u8 {
        let percent = self.open.saturating_mul(100).checked_div(self.budget).unwrap_or_default();
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    /// A number at rest long enough, else the next new one.
    fn take_number(&mut self) -> PortId {
        if let Some(&(until, id)) = self.resting.front()
            && until <= self.now
        {
            self.resting.pop_front();
            return id;
        }
        let id = PortId(self.next);
        self.next += 1;
        id
    }
}

impl Ports for MediaPorts {
    fn open(&mut self, context: ContextId, port: LocalPort) -> Result<PortId, PortError> {
        let realm = self.realms.iter().find(|realm| realm.has(port.address));
        if let Some(realm) = realm.filter(|realm| realm.backend == RealmBackend::Xdp) {
            let dscp = port.dscp.unwrap_or_default();
            let port = MediaPort::Xdp(XdpPort { dscp, ..realm.xdp_port(port.address) });
            let id = self.take_number();
            self.opened.push((context, id, port));
            self.without_socket.insert(id);
            return Ok(id);
        }
        if self.open >= self.budget {
            return Err(PortError::Descriptors);
        }
        let mut options = realm.map(Realm::port_options).unwrap_or_default();
        options.dscp = port.dscp;
        let socket = UdpPort::bind(port.address, &options).map_err(|error| refusal(&error))?;
        let id = self.take_number();
        self.opened.push((context, id, MediaPort::Udp(socket)));
        self.open += 1;
        Ok(id)
    }

    fn close(&mut self, port: PortId) {
        let opened = self.opened.len();
        self.opened.retain(|&(_, id, _)| id != port);
        if self.opened.len() != opened {
            self.forget(port);
        }
    }
}

fn refusal(error: &io::Error) -> PortError {
    if error.kind() == io::ErrorKind::AddrInUse {
        return PortError::InUse;
    }
    match error.raw_os_error() {
        Some(number) if NO_DESCRIPTORS.contains(&number) => PortError::Descriptors,
        Some(_) | None => PortError::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

    use super::*;

    const REST: Duration = Duration::from_secs(3);

    fn free_port() -> LocalPort {
        LocalPort { address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), dscp: None }
    }

    #[test]
    fn a_port_in_use_is_told_from_one_that_is_refused() {
        let mut ports = MediaPorts::new(Vec::new(), 10, REST, Instant::now());
        let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let address = taken.local_addr().expect("bound");
        assert_eq!(
            ports.open(ContextId(1), LocalPort { address, dscp: None }),
            Err(PortError::InUse)
        );
        let elsewhere = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 4000);
        let refused = ports.open(ContextId(1), LocalPort { address: elsewhere, dscp: None });
        assert!(matches!(refused, Err(PortError::Refused(_))), "{refused:?}");
        assert_eq!(ports.open_count(), 0);
    }

    #[test]
    fn the_budget_leaves_descriptors_for_control() {
        let mut ports = MediaPorts::new(Vec::new(), 1, REST, Instant::now());
        let first = ports.open(ContextId(1), free_port()).expect("within the budget");
        assert_eq!(ports.open(ContextId(1), free_port()), Err(PortError::Descriptors));
        ports.close(first);
        ports.open(ContextId(1), free_port()).expect("within the budget again");
    }

    #[test]
    fn ports_of_an_xdp_realm_have_no_socket_and_are_outside_of_the_budget() {
        let mut realm = crate::config::Config::default().realm.remove(0);
        realm.backend = RealmBackend::Xdp;
        let port = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let mut ports = MediaPorts::new(vec![realm], 1, REST, Instant::now());
        let in_realm = |number| LocalPort { address: port(number), dscp: Some(46) };
        let first = ports.open(ContextId(1), in_realm(40_000)).expect("a port");
        ports.open(ContextId(1), in_realm(40_001)).expect("a port");
        ports.open(ContextId(1), free_port()).expect("a socket within the budget");
        assert_eq!(ports.open_count(), 1);
        let taken = ports.take_opened(ContextId(1));
        let xdp: Vec<_> = taken
            .iter()
            .filter_map(|(_, port)| match port {
                MediaPort::Xdp(port) => Some((port.address.port(), port.dscp)),
                MediaPort::Udp(_) => None,
            })
            .collect();
        assert_eq!(xdp, [(40_000, 46), (40_001, 46)]);
        ports.forget(first);
        assert_eq!(ports.open_count(), 1);
    }

    #[test]
    fn ports_are_handed_over_by_context_and_the_rest_is_discarded() {
        let mut ports = MediaPorts::new(Vec::new(), 10, REST, Instant::now());
        let mine = ports.open(ContextId(1), free_port()).expect("a port");
        ports.open(ContextId(2), free_port()).expect("a port");
        let taken: Vec<_> = ports.take_opened(ContextId(1)).into_iter().map(|(id, _)| id).collect();
        assert_eq!(taken, [mine]);
        ports.discard_opened();
        assert_eq!(ports.open_count(), 1);
    }

    #[test]
    fn numbers_stay_dense_and_rest_before_they_come_back() {
        let start = Instant::now();
        let mut ports = MediaPorts::new(Vec::new(), 10, REST, start);
        let first = ports.open(ContextId(1), free_port()).expect("a port");
        ports.close(first);
        assert_eq!(ports.open(ContextId(1), free_port()), Ok(PortId(1)));
        ports.begin(start + REST);
        assert_eq!(ports.open(ContextId(1), free_port()), Ok(first));
    }
}
