//! A gateway in this process that forwards plain packets and does one thing wrong.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::result::TargetInfo;
use crate::target::{CallId, CallKeys, CallSpec, Control, Counters, Placed, Target, TargetError};

/// What it does wrong to some of the packets of each call and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every tenth packet is dropped and counted.
    DropsAndTells,
    /// Every tenth packet vanishes.
    Drops,
    /// The last octet of every tenth packet is changed.
    Alters,
    /// Every tenth packet is sent to the wrong call.
    Confuses,
    /// Every tenth packet is sent twice.
    Repeats,
    /// Every tenth packet comes after the one behind it.
    Swaps,
}

/// The gateway.
#[derive(Debug, Clone)]
pub(super) struct Doctored {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    fault: Fault,
    stop: AtomicBool,
    received: AtomicU64,
    dropped: AtomicU64,
    calls: AtomicU64,
    /// The access socket of the first call, for confusion.
    first: Mutex<Option<[Arc<UdpSocket>; 2]>>,
}

impl Doctored {
    pub(super) fn new(fault: Fault) -> Self {
        let shared = Shared {
            fault,
            stop: AtomicBool::new(false),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            first: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Target for Doctored {
    type Control = Self;

    fn info(&self) -> TargetInfo {
        TargetInfo { name: "doctored".to_owned(), ..TargetInfo::default() }
    }

    fn pid(&self) -> u32 {
        std::process::id()
    }

    fn control(&self) -> Self {
        self.clone()
    }

    async fn counters(&mut self) -> Result<Counters, TargetError> {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Ok(Counters {
            received: count(&self.shared.received),
            dropped: [("on purpose".to_owned(), count(&self.shared.dropped))].into(),
            ..Counters::default()
        })
    }

    async fn stop(self) -> Result<(), TargetError> {
        self.shared.stop.store(true, Ordering::SeqCst);
        Ok(())
    }
}

impl Control for Doctored {
    async fn set_up(&self, call: Arc<CallSpec>) -> Result<Placed, TargetError> {
        let bind = || Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let sockets = [bind(), bind()];
        let [access, core] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let mut first = self.shared.first.lock().unwrap();
        let wrong = first.get_or_insert_with(|| sockets.clone()).clone();
        let ways = [(0, 1, call.core_peer), (1, 0, call.access_peer)];
        for (from, to, peer) in ways {
            let (from, to) =
                (Arc::clone(&sockets[from]), [&sockets[to], &wrong[to]].map(Arc::clone));
            let shared = Arc::clone(&self.shared);
            thread::spawn(move || forward(&shared, &from, &to, peer));
        }
        let id = CallId::Number(self.shared.calls.fetch_add(1, Ordering::SeqCst));
        Ok(Placed { id, access, core, egress: None })
    }

    async fn hold(&self, _: &CallId, _: bool) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { name: "doctored", what: "hold" })
    }

    async fn rekey(&self, _: &CallId, _: Arc<CallKeys>) -> Result<(), TargetError> {
        Err(TargetError::Unsupported { name: "doctored", what: "re-key" })
    }

    async fn release(&self, _: &CallId) -> Result<(), TargetError> {
        Ok(())
    }
}

/// Forwards one direction of a call; `to` are the right socket and the wrong one.
fn forward(shared: &Shared, from: &UdpSocket, to: &[Arc<UdpSocket>; 2], peer: SocketAddr) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let [right, wrong] = to;
    let mut kept: Option<Vec<u8>> = None;
    let mut octets = [0; 2_048];
    let mut count = 0;
    while !shared.stop.load(Ordering::SeqCst) {
        let Ok((len, _)) = from.recv_from(&mut octets) else { continue };
        shared.received.fetch_add(1, Ordering::SeqCst);
        let packet = &mut octets[..len];
        let is_faulty = count % 10 == 4;
        count += 1;
        let send = |socket: &UdpSocket, packet: &[u8]| {
            socket.send_to(packet, peer).unwrap();
        };
        match shared.fault {
            _ if !is_faulty => send(right, packet),
            Fault::DropsAndTells => {
                shared.dropped.fetch_add(1, Ordering::SeqCst);
            }
            Fault::Drops => {}
            Fault::Alters => {
                packet[len - 1] ^= 1;
                send(right, packet);
            }
            Fault::Confuses => send(wrong, packet),
            Fault::Repeats => {
                send(right, packet);
                send(right, packet);
            }
            Fault::Swaps => {
                kept = Some(packet.to_vec());
                continue;
            }
        }
        if let Some(late) = kept.take() {
            send(right, &late);
        }
    }
}
