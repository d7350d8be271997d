//! How the `xdp` backend is opened, and what came of it.

use std::{fmt, net::IpAddr, ops::RangeInclusive, time::Duration};

use crate::program::{AttachMode, AttachedMode};

/// The media ports of one address that the `xdp` backend takes from the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XdpRealm {
    /// Name of the interface the address is on; for a VLAN interface its parent is used, with tags.
    pub device: String,
    /// The local media address.
    pub address: IpAddr,
    /// The local media ports.
    pub ports: RangeInclusive<u16>,
}

/// How an `xdp` backend is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XdpOptions {
    /// The addresses and ports it takes over.
    pub realms: Vec<XdpRealm>,
    /// Where the program runs: in the driver, or behind it.
    pub attach: AttachMode,
    /// Whether the device works on the shared memory itself.
    pub mode: XdpMode,
    /// Entries of each ring of a queue: a power of two, 64 to 32,768. A queue takes four times as
    /// many kilooctets of locked memory.
    pub ring: u32,
    /// Polling of the device from the worker's calls rather than by interrupts.
    pub busy_poll: Option<BusyPoll>,
}

impl Default for XdpOptions {
    /// No realm, the best mode there is, 2,048 entries, interrupts.
    fn default() -> Self {
        Self {
            realms: Vec::new(),
            attach: AttachMode::Auto,
            mode: XdpMode::Auto,
            ring: 2_048,
            busy_poll: None,
        }
    }
}

/// Who moves the octets between device and shared memory.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum XdpMode {
    /// The device if all interfaces can, else the kernel.
    #[default]
    Auto,
    /// The device, or the backend is not opened.
    ZeroCopy,
    /// The kernel, which copies.
    Copy,
}

/// `SO_PREFER_BUSY_POLL`: the worker's calls drive the device's queue.
///
/// Useful with `napi_defer_hard_irqs` and `gro_flush_timeout` set on the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BusyPoll {
    /// How long a call may poll the device (`SO_BUSY_POLL`, whole microseconds).
    pub time: Duration,
    /// Packets a call may take from the device (`SO_BUSY_POLL_BUDGET`).
    pub budget: u16,
}

/// What the `xdp` backend got of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XdpInterface {
    /// Its name.
    pub name: String,
    /// Receive queues in use; each is served by one worker.
    pub queues: u32,
    /// Where the program runs.
    pub attached: AttachedMode,
    /// Why it does not run in the driver, if that was tried.
    pub native_refusal: Option<String>,
    /// Whether the device works on the shared memory itself.
    pub zero_copy: bool,
}

impl fmt::Display for XdpInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, queues, attached, native_refusal, zero_copy } = self;
        let place = match attached {
            AttachedMode::Native => "program in the driver (native)",
            AttachedMode::Generic => "program behind the driver (GENERIC: slow, and always copies)",
        };
        let copying = if *zero_copy { "zero-copy" } else { "the kernel copies" };
        write!(f, "{name}: {queues} queues, {place}, {copying}")?;
        native_refusal.as_ref().map_or(Ok(()), |refusal| write!(f, " ({refusal})"))
    }
}
