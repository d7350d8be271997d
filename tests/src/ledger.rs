//! The gateway's ledger, read from its metrics: received = forwarded + the sum of all drops.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// The metrics of a gateway.
#[derive(Debug, Clone, Copy)]
pub struct Ledger {
    admin: SocketAddr,
}

/// Counters at one moment, summed over the workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Datagrams received.
    pub received: u64,
    /// Datagrams forwarded.
    pub forwarded: u64,
    /// Datagrams dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
}

impl Entry {
    /// Datagrams dropped for a reason.
    #[must_use]
    pub fn drops(&self, reason: &str) -> u64 {
        self.dropped.get(reason).copied().unwrap_or(0)
    }

    /// Whether every datagram has become of something.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.received == self.forwarded + self.dropped.values().sum::<u64>()
    }
}

impl Ledger {
    pub(crate) const fn new(admin: SocketAddr) -> Self {
        Self { admin }
    }

    /// An admin page: status line, headers and body.
    ///
    /// # Panics
    ///
    /// When the gateway does not answer.
    #[must_use]
    pub fn page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).expect("the admin listener");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: agw\r\nConnection: close\r\n\r\n")
            .expect("a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Waits until the metrics have a line.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub fn await_line(&self, line: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.page("/metrics").lines().any(|told| told == line) {
            assert!(Instant::now() < deadline, "no line {line:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a counter, summed over the workers, stands at a count.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn await_sum(&self, counter: &str, count: u64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.page("/metrics");
            let series =
                page.lines().filter_map(|line| line.strip_prefix(counter)?.strip_prefix('{'));
            let values = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
            let sum = values.sum::<u64>();
            if sum == count {
                return;
            }
            assert!(Instant::now() < deadline, "{counter} is {sum}, not {count}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The counters as they are told now.
    #[must_use]
    pub fn read(&self) -> Entry {
        let mut entry = Entry::default();
        for line in self.page("/metrics").lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Some((name, labels)) = series.split_once('{') else { continue };
            let Ok(count) = value.parse::<u64>() else { continue };
            match name {
                "agw_packets_received_total" => entry.received += count,
                "agw_packets_forwarded_total" => entry.forwarded += count,
                "agw_packets_dropped_total" => {
                    *entry.dropped.entry(reason(labels)).or_default() += count;
                }
                _ => {}
            }
        }
        entry
    }

    /// The counters once `received` datagrams were counted and the ledger closes.
    #[must_use]
    pub fn after(&self, received: u64) -> Entry {
        self.until(|entry| entry.received >= received && entry.closes())
    }

    /// The counters once `count` datagrams were dropped for a reason.
    ///
    /// # Panics
    ///
    /// When that does not come, or more were dropped.
    #[must_use]
    pub fn after_drops(&self, reason: &str, count: u64) -> Entry {
        let entry = self.until(|entry| entry.drops(reason) >= count && entry.closes());
        assert_eq!(entry.drops(reason), count, "{reason}: {entry:?}");
        entry
    }

    /// The counters once they are as wanted.
    ///
    /// # Panics
    ///
    /// When that does not come.
    #[must_use]
    pub fn until(&self, wanted: impl Fn(&Entry) -> bool) -> Entry {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let entry = self.read();
            if wanted(&entry) {
                return entry;
            }
            assert!(Instant::now() < deadline, "the ledger stays at {entry:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn reason(labels: &str) -> String {
    labels
        .split("reason=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_default()
        .to_owned()
}
