//! The one thread that forwards.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use agw_net::{
    Batch, PacketIo, PortToken, SocketsBackend, SocketsOptions, Transmit, UdpPort, Waker,
};
use anyhow::{Context, anyhow};

use super::protocol::Counted;

/// What the worker is told to do between two rounds.
pub(super) enum Order {
    /// Take a call over: ports and peers of its access and its core side.
    Add { ports: [UdpPort; 2], peers: [SocketAddr; 2], done: SyncSender<io::Result<u32>> },
    /// End a call.
    Remove { call: u32, done: SyncSender<io::Result<()>> },
    /// Tell the counters.
    Count { done: SyncSender<Counted> },
}

/// A handle of the thread.
pub(super) struct Worker {
    orders: Sender<Order>,
    waker: Waker,
    thread: JoinHandle<io::Result<()>>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn start(coalesce: Duration) -> anyhow::Result<Self> {
        let io = SocketsBackend::new(SocketsOptions { coalesce, ..SocketsOptions::default() })?;
        let waker = io.waker();
        let (orders, received) = channel();
        let forwarding = Forwarding {
            io,
            batch: Batch::new(),
            peers: Vec::new(),
            free: Vec::new(),
            orders: received,
        };
        let thread = std::thread::Builder::new().name("forward".to_owned());
        let thread = thread.spawn(move || {
            // Else the kernel adds 50 us to every wait for packets to gather.
            agw_net::set_timer_slack(Duration::from_nanos(1))?;
            forwarding.run()
        })?;
        Ok(Self { orders, waker, thread })
    }

    /// Gives an order and waits until it is carried out.
    ///
    /// # Errors
    /// The thread is gone.
    pub(super) fn ask<T>(&self, order: impl FnOnce(SyncSender<T>) -> Order) -> anyhow::Result<T> {
        let (done, answer) = sync_channel(1);
        self.orders.send(order(done)).map_err(|_| anyhow!("the worker is gone"))?;
        self.waker.wake();
        answer.recv().context("the worker is gone")
    }

    /// Ends the thread.
    ///
    /// # Errors
    /// What the thread failed of.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        let Self { orders, waker, thread } = self;
        drop(orders);
        waker.wake();
        match thread.join() {
            Ok(ended) => ended.context("the worker"),
            Err(_) => Err(anyhow!("the worker panicked")),
        }
    }
}

/// What the thread owns. Call `n` has the tokens `2n` (access) and `2n + 1` (core).
struct Forwarding {
    io: SocketsBackend,
    batch: Batch,
    /// Where the datagrams sent from a port go, by token.
    peers: Vec<Option<SocketAddr>>,
    free: Vec<u32>,
    orders: Receiver<Order>,
}

impl Forwarding {
    fn run(mut self) -> io::Result<()> {
        loop {
            self.io.receive(&mut self.batch, None)?;
            self.forward();
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.carry_out(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
        }
    }

    fn forward(&mut self) {
        let (slots, mut outbox) = self.batch.split_mut();
        for slot in slots.filter(|slot| !slot.truncated) {
            let port = PortToken(slot.port.0 ^ 1);
            let Some(Some(destination)) = self.peers.get(port.0 as usize).copied() else {
                continue;
            };
            // Every slot is queued once, and a batch takes as many sends as it has slots.
            let transmit = Transmit {
                port,
                destination,
                slot: slot.index,
                len: slot.len,
                tag: port.0,
                traffic_class: None,
            };
            let _ = outbox.push(transmit);
        }
        self.io.transmit(&mut self.batch, |_, _| {});
    }

    fn carry_out(&mut self, order: Order) {
        // Whoever does not wait for the answer any more does not miss it.
        match order {
            Order::Add { ports, peers, done } => {
                let _ = done.send(self.add(ports, peers));
            }
            Order::Remove { call, done } => {
                let _ = done.send(self.remove(call));
            }
            Order::Count { done } => {
                let _ = done.send(self.count());
            }
        }
    }

    fn add(&mut self, ports: [UdpPort; 2], peers: [SocketAddr; 2]) -> io::Result<u32> {
        let call = self.free.pop().unwrap_or_else(|| {
            self.peers.extend([None, None]);
            (self.peers.len() / 2 - 1) as u32
        });
        for (token, (port, peer)) in (2 * call..).zip(ports.into_iter().zip(peers)) {
            self.io.add_port(PortToken(token), port)?;
            if let Some(place) = self.peers.get_mut(token as usize) {
                *place = Some(peer);
            }
        }
        Ok(call)
    }

    fn remove(&mut self, call: u32) -> io::Result<()> {
        for token in [2 * call, 2 * call + 1] {
            self.io.remove_port(PortToken(token))?;
            if let Some(place) = self.peers.get_mut(token as usize) {
                *place = None;
            }
        }
        self.free.push(call);
        Ok(())
    }

    fn count(&mut self) -> Counted {
        // Asking a port is what brings its overflow into the counters.
        for token in 0..self.peers.len() as u32 {
            self.io.port_counters(PortToken(token));
        }
        let counters = self.io.counters();
        let errors = counters.send_errors.iter().filter(|(_, count)| *count > 0);
        Counted {
            received: counters.received,
            sent: counters.sent,
            truncated: counters.truncated,
            kernel_drops: counters.kernel_dropped + counters.discarded_at_removal,
            send_errors: errors.map(|(class, count)| (class.name().to_owned(), count)).collect(),
        }
    }
}
