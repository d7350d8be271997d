//! Two netlink sockets: one to ask, one to listen.
#![expect(clippy::wildcard_enum_match_arm, reason = "foreign enums that grow with the kernel")]

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// The groups of `linux/rtnetlink.h`: links, neighbours, addresses, routes and rules.
const GROUPS: [u32; 9] = [1, 3, 5, 7, 8, 9, 11, 19, 32];

/// Room for what the kernel tells while the thread is busy with a full table.
const LISTENER_OCTETS: usize = 4 << 20;

/// Asks and gets answers. The kernel answers within the call that asks, so that nothing here ever
/// waits.
#[derive(Debug)]
pub(super) struct Asker {
    socket: Socket,
    sequence: u32,
}

impl Asker {
    pub(super) fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks and takes every message of the answer.
    ///
    /// # Errors
    /// What the kernel answers, or that it does not.
    pub(super) fn ask(
        &mut self,
        mut request: NetlinkMessage<RouteNetlinkMessage>,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut octets = vec![0; request.buffer_len()];
        request.serialize(&mut octets);
        self.socket.send(&octets, 0)?;
        let mut answer = Vec::new();
        loop {
            let (datagram, from) = self.socket.recv_from_full()?;
            if from.port_number() != 0 {
                continue;
            }
            for message in Messages(&datagram).filter_map(read) {
                if message.header.sequence_number != self.sequence {
                    continue;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => {
                        answer.push(inner);
                        if !is_part(message.header.flags) {
                            return Ok(answer);
                        }
                    }
                    NetlinkPayload::Error(error) => match error.code {
                        Some(_) => return Err(error.to_io()),
                        None => return Ok(answer),
                    },
                    NetlinkPayload::Done(_) => return Ok(answer),
                    // Foreign: padding and such.
                    _ => {}
                }
            }
        }
    }
}

/// `NLM_F_MULTI`: more follow, up to one that says that it is done.
fn is_part(flags: u16) -> bool {
    flags & 2 != 0
}

/// Listens to what changes.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
}

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// These, in order; and whether next hops that routes only refer to changed.
    Messages { told: Vec<RouteNetlinkMessage>, next_hops: bool },
    /// Nothing more for now.
    Nothing,
    /// The kernel had more to tell than there was room for: all that is known may be wrong.
    Lost,
}

impl Listener {
    pub(super) fn new() -> io::Result<Self> {
        Self::of(&GROUPS)
    }

    /// Listens to links and addresses only.
    pub(super) fn of_addresses() -> io::Result<Self> {
        Self::of(&[1, 5, 9])
    }

    fn of(groups: &[u32]) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        // As much as net.core.rmem_max allows.
        socket.set_rx_buf_sz(i32::try_from(LISTENER_OCTETS).unwrap_or(i32::MAX))?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        for group in groups {
            socket.add_membership(*group)?;
        }
        Ok(Self { socket })
    }

    /// Takes the next datagram.
    pub(super) fn hear(&self) -> Heard {
        match self.socket.recv_from_full() {
            Ok((datagram, from)) if from.port_number() == 0 => {
                let told = Messages(&datagram).filter_map(read).filter_map(|message| match message
                    .payload
                {
                    NetlinkPayload::InnerMessage(inner) => Some(inner),
                    _ => None,
                });
                let next_hops = Messages(&datagram).any(is_next_hop);
                Heard::Messages { told: told.collect(), next_hops }
            }
            Ok(_) => Heard::Messages { told: Vec::new(), next_hops: false },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                Heard::Messages { told: Vec::new(), next_hops: false }
            }
            Err(_) => Heard::Lost,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A message that can be read; one that cannot (an attribute of a later kernel) is left out.
fn read(message: &[u8]) -> Option<NetlinkMessage<RouteNetlinkMessage>> {
    NetlinkMessage::deserialize(message).ok()
}

/// `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP`, which [`read`] does not know.
fn is_next_hop(message: &[u8]) -> bool {
    let kind = message.get(4..).and_then(|rest| rest.first_chunk().copied());
    matches!(kind.map(u16::from_ne_bytes), Some(104 | 105))
}

/// The messages of a datagram.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (length, _) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
        if length < 16 {
            return None;
        }
        let message = self.0.get(..length)?;
        // Each begins at a multiple of 4.
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(message)
    }
}
