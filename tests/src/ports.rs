//! Port ranges that no other test has, below the range from which the kernel gives ports out.

use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::{env, process};

const FIRST: u16 = 10_000;
const PORTS: u16 = 200;
const BLOCKS: u16 = 110;
/// Of a block: as many for each of the two realms, the rest for peers, the last two for listeners.
const OF_A_REALM: u16 = 80;

/// A block of ports, held by a lock on a file until it is dropped or the process ends.
#[derive(Debug)]
pub struct PortBlock {
    first: u16,
    _lock: File,
}

impl PortBlock {
    /// Takes a block that nobody holds.
    ///
    /// # Panics
    ///
    /// When all are held, or the locks cannot be made.
    #[must_use]
    pub fn take() -> Self {
        let directory = env::temp_dir().join("agw-test-ports");
        fs::create_dir_all(&directory).expect("a directory for locks");
        let start = u16::try_from(process::id() % u32::from(BLOCKS)).unwrap_or(0);
        for step in 0..BLOCKS {
            let first = FIRST + (start + step) % BLOCKS * PORTS;
            let lock = File::create(directory.join(first.to_string())).expect("a lock file");
            if lock.try_lock().is_ok() {
                return Self { first, _lock: lock };
            }
        }
        panic!("{BLOCKS} blocks of ports are in use");
    }

    /// The port of the Iq listener. Not one that the kernel chooses: it could be that of an endpoint
    /// as well, and the gateway refuses peers at its own addresses.
    #[must_use]
    pub fn iq(&self) -> u16 {
        self.first + PORTS - 2
    }

    /// The port of the admin listener.
    #[must_use]
    pub fn admin(&self) -> u16 {
        self.first + PORTS - 1
    }

    /// The media ports of the access realm.
    #[must_use]
    pub fn access(&self) -> RangeInclusive<u16> {
        self.first..=self.first + OF_A_REALM - 1
    }

    /// The media ports of the core realm.
    #[must_use]
    pub fn core(&self) -> RangeInclusive<u16> {
        let first = self.first + OF_A_REALM;
        first..=first + OF_A_REALM - 1
    }

    /// An even port for a peer that must be told one, and the odd one behind it.
    ///
    /// # Panics
    ///
    /// When the block has no such pair.
    #[must_use]
    pub fn peer(&self, number: u16) -> u16 {
        let port = self.first + 2 * OF_A_REALM + 2 * number;
        assert!(port < self.iq(), "no pair of ports {number}");
        port
    }

    /// The media ports that anybody listens at, of the realms.
    ///
    /// # Panics
    ///
    /// When the kernel does not tell.
    #[must_use]
    pub fn in_use(&self) -> Vec<u16> {
        let tables = ["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"];
        let tables = tables.map(|table| fs::read_to_string(table).expect("a table of sockets"));
        let last = self.first + 2 * OF_A_REALM - 1;
        (self.first..=last)
            .filter(|port| tables.iter().any(|table| table.contains(&format!(":{port:04X} 0000"))))
            .collect()
    }
}
