//! How a worker waits: for its sockets, for what comes beside them, busily or asleep.

use std::{
    hint, io,
    time::{Duration, Instant},
};

use super::{SocketsBackend, Turn};
use crate::{
    batch::BATCH,
    poller::{Poller, Ready},
};

impl SocketsBackend {
    /// Waits for datagrams here or beside, lets them gather, and lists the ready ports; tells how
    /// many they are.
    ///
    /// ```text
    ///   one datagram at a time:  sleep until one comes, gather, look
    ///   steady traffic:          gather, look, gather, look: half the sleeps, and nobody wakes us
    ///   a full batch:            look at once
    /// ```
    pub(crate) fn wait(
        &mut self,
        timeout: Option<Duration>,
        beside: &mut impl Beside,
    ) -> io::Result<usize> {
        self.poller.forget();
        let coalesces = !self.options.coalesce.is_zero();
        let mut ready = 0;
        if coalesces && self.steady {
            ready = self.gather(timeout, beside)?;
        }
        if ready == 0 && !self.is_woken() {
            if beside.waiting() == 0 {
                self.sleep(timeout, beside)?;
            } else if self.open > 0 {
                self.poller.wait(Some(Duration::ZERO))?;
            }
            ready = self.ready(beside);
            if coalesces && ready > 0 && ready < BATCH && !self.is_woken() {
                ready = self.gather(timeout, beside)?;
            }
        }
        let listed = self.list(beside);
        self.steady = (2..BATCH).contains(&ready);
        self.spin.round(ready > 0);
        Ok(listed)
    }

    /// Lets datagrams gather, looks, and tells how many are ready at least.
    fn gather(&mut self, timeout: Option<Duration>, beside: &mut impl Beside) -> io::Result<usize> {
        let coalesce = self.options.coalesce;
        let rest = timeout.map_or(coalesce, |timeout| timeout.min(coalesce));
        if !rest.is_zero() {
            self.poller.rest(rest)?;
        }
        self.poller.wait(Some(Duration::ZERO))?;
        Ok(self.ready(beside))
    }

    /// Waits until something is ready, busily at first.
    fn sleep(&mut self, timeout: Option<Duration>, beside: &mut impl Beside) -> io::Result<()> {
        if let Some(end) = self.spin.until(timeout) {
            let begun = Instant::now();
            loop {
                let found = self.poller.wait(Some(Duration::ZERO))? > 0 || beside.waiting() > 0;
                let now = Instant::now();
                if found || now >= end {
                    let spun = now.saturating_duration_since(begun).as_nanos();
                    self.counters.spun_ns += u64::try_from(spun).unwrap_or_default();
                    self.spin.learn(found);
                    if found {
                        return Ok(());
                    }
                    break;
                }
                hint::spin_loop();
            }
        }
        beside.lie_down();
        let timeout = if beside.waiting() > 0 { Some(Duration::ZERO) } else { timeout };
        let waited = self.poller.wait(timeout);
        beside.get_up();
        waited.map(drop)
    }

    /// Datagrams that wait at least.
    fn ready(&self, beside: &mut impl Beside) -> usize {
        let ports = self.poller.ready().filter(|ready| matches!(ready, Ready::Port(_)));
        ports.count() + beside.waiting()
    }

    fn is_woken(&self) -> bool {
        self.poller.ready().any(|ready| ready == Ready::Waker)
    }

    /// Makes turns of the ready ports; tells how many they are.
    fn list(&mut self, beside: &mut impl Beside) -> usize {
        let mut listed = 0;
        let mut turns = self.turns.iter_mut();
        for ready in self.poller.ready() {
            match ready {
                Ready::Port(port) => {
                    if let Some(turn) = turns.next() {
                        *turn = Turn { port, taken: 0 };
                        listed += 1;
                    }
                }
                Ready::Waker => {
                    self.poller.waker().reset();
                    self.counters.wakes += 1;
                }
                Ready::Queue { number, failed: true } => beside.fail(number, &self.poller),
                Ready::Queue { number: _, failed: false } => {}
            }
        }
        listed
    }
}

/// Datagrams that come by another way than sockets, to the same worker.
pub(crate) trait Beside {
    /// How many wait at least; cheap.
    fn waiting(&mut self) -> usize;
    /// From now on whoever brings a datagram must end the wait.
    fn lie_down(&mut self);
    /// The wait is over.
    fn get_up(&mut self);
    /// A queue's socket is of no use any more.
    fn fail(&mut self, number: u32, poller: &Poller);
}

/// Nothing comes by another way.
pub(super) struct Nothing;

impl Beside for Nothing {
    fn waiting(&mut self) -> usize {
        0
    }

    fn lie_down(&mut self) {}

    fn get_up(&mut self) {}

    fn fail(&mut self, _number: u32, _poller: &Poller) {}
}
