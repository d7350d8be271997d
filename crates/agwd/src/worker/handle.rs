//! How control starts a worker and gives it orders.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use rtrb::{Producer, PushError, RingBuffer};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{error, warn};

use super::{Account, Order, Worker};
use crate::exit::Exit;
use crate::logging;
use agw_net::{PacketIo, Waker};
use agw_relay::{OwnPorts, Relay, Report};
use agw_simd::AnyEngine;

/// Orders that may wait for a worker; it takes all of them once a round.
const ORDERS: usize = 4_096;
/// How long control waits when a worker's ring is full.
const RING_FULL: Duration = Duration::from_micros(100);
/// How long a worker may take to its end.
const LAST_ROUND: Duration = Duration::from_secs(2);
/// The slack of a coalescing worker's timers.
const TIMER_SLACK: Duration = Duration::from_micros(1);

/// How a worker is started.
#[derive(Debug, Clone)]
pub(crate) struct StartOptions {
    /// Its number, from 0.
    pub(crate) index: usize,
    /// The core to pin it to.
    pub(crate) core: Option<usize>,
    /// What opens and seals its packets.
    pub(crate) engine: AnyEngine,
    /// Whether it waits for more packets by timer, so that the timer must be exact.
    pub(crate) coalesces: bool,
    /// What may wait for keys at it, in octets.
    pub(crate) pre_key_octets: usize,
    /// The media ports of the gateway, all workers' together.
    pub(crate) own_ports: Vec<OwnPorts>,
}

/// Control's end of a worker; dropping it stops the worker.
pub(crate) struct WorkerHandle<Port> {
    orders: Producer<Order<Port>>,
    /// Whether there are orders that the worker was not woken for.
    has_news: bool,
    waker: Waker,
    heartbeat: Arc<AtomicU64>,
    account: Account,
    thread: Option<JoinHandle<()>>,
}

/// Starts a worker on a thread of its own.
///
/// # Errors
/// If the operating system refuses the thread or the memory for its packets.
pub(crate) fn start<I>(
    options: StartOptions,
    mut io: I,
    reports: mpsc::Sender<Report>,
) -> io::Result<WorkerHandle<I::Port>>
where
    I: PacketIo + Send + 'static,
    I::Port: 'static,
{
    let (orders, ring) = RingBuffer::new(ORDERS);
    let waker = io.waker();
    let batch = io.new_batch()?;
    let heartbeat = Arc::new(AtomicU64::new(0));
    let mut relay = Relay::new(options.engine);
    relay.set_pre_key_octets(options.pre_key_octets);
    relay.set_own_ports(options.own_ports.clone());
    let worker = Worker {
        index: options.index,
        io,
        batch,
        relay,
        orders: ring,
        done: ArrayVec::new(),
        reports,
        heartbeat: Arc::clone(&heartbeat),
    };
    let account = Account::default();
    let of_thread = account.clone();
    let thread =
        thread::Builder::new().name(format!("agw-worker-{}", options.index)).spawn(move || {
            of_thread.open();
            run(options, worker);
        })?;
    Ok(WorkerHandle { orders, has_news: false, waker, heartbeat, account, thread: Some(thread) })
}

/// The thread: half a gateway is worse than none, so its failure ends the process.
fn run<I: PacketIo>(options: StartOptions, worker: Worker<I>) {
    let worker_index = options.index;
    if let Some(Err(error)) = options.core.map(agw_net::pin_current_thread) {
        warn!(worker = worker_index, core = options.core, %error, "worker not pinned");
    }
    if options.coalesces
        && let Err(error) = agw_net::set_timer_slack(TIMER_SLACK)
    {
        warn!(worker = worker_index, %error, "timers of the worker are not exact");
    }
    match catch_unwind(AssertUnwindSafe(|| worker.run())) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error!(worker = worker_index, %error, "media worker failed: agwd ends"),
        Err(_panic) => error!(worker = worker_index, "media worker panicked: agwd ends"),
    }
    logging::last_words();
    process::exit(Exit::Software.code().into());
}

impl<Port> WorkerHandle<Port> {
    /// Puts an order in line, for which [`Self::wake`] wakes the worker; waits while the line is
    /// full.
    pub(crate) async fn give(&mut self, order: Order<Port>) {
        let mut waiting = order;
        while let Err(PushError::Full(back)) = self.orders.push(waiting) {
            waiting = back;
            self.waker.wake();
            sleep(RING_FULL).await;
        }
        self.has_news = true;
    }

    /// Wakes the worker if it was given orders: once for all of them, because each wake is a
    /// system call here, two there, and a switch of threads.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.has_news) {
            self.waker.wake();
        }
    }

    /// What the kernel counts of the worker's thread.
    pub(crate) fn account(&self) -> Account {
        self.account.clone()
    }

    /// A number that grows with every round of the worker.
    pub(crate) fn heartbeat(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.heartbeat)
    }
}

impl<Port> Drop for WorkerHandle<Port> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        let deadline = Instant::now() + LAST_ROUND;
        let mut is_told = false;
        //= tests/spec/iq.md#daemon
        //# A worker that does not move MUST NOT keep the daemon from ending.
        while !thread.is_finished() {
            if Instant::now() >= deadline {
                return error!("a worker does not end: it ends with the process");
            }
            is_told = is_told || self.orders.push(Order::Stop).is_ok();
            self.waker.wake();
            thread::sleep(RING_FULL);
        }
        // A panic in the thread has ended the process already.
        let _ = thread.join();
    }
}
