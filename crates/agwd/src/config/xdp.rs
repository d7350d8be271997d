//! Keys of the `xdp` backend, and what its ports ask of the kernel.

use std::fs;

use serde::{Deserialize, Serialize};

use super::PortRange;

/// What realms with `backend = "xdp"` share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Xdp {
    /// Where the XDP program runs.
    pub mode: Mode,
    /// Whether the device reads and writes the daemon's memory itself.
    pub zero_copy: Choice,
    /// How long a worker's call may poll the device, in microseconds, 0 to 1,000; 0 is interrupts.
    pub busy_poll_us: u64,
    /// Frames of each ring of a queue: a power of two, 64 to 32,768.
    pub frames: u32,
    /// What happens if a device cannot be had so.
    pub fallback: Fallback,
}

/// Where the XDP program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the driver if it can, else behind it.
    Auto,
    /// In the driver.
    Native,
    /// Behind the driver: works with every one, slower.
    Generic,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// If it can be.
    Auto,
    /// Yes, or the daemon does not start.
    On,
    /// No.
    Off,
}

/// What happens if the `xdp` backend cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// The daemon does not start.
    None,
    /// Its realms use sockets, and the log says so.
    Sockets,
}

impl Mode {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

impl Choice {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl Default for Xdp {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            zero_copy: Choice::Auto,
            busy_poll_us: 0,
            frames: 2_048,
            fallback: Fallback::None,
        }
    }
}

/// Which ports the kernel gives to programs that ask for none in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KernelPorts {
    /// `net.ipv4.ip_local_port_range`, of IPv6 as well; `None` if it cannot be told.
    pub(crate) given_out: Option<PortRange>,
    /// `net.ipv4.ip_local_reserved_ports`: never given out.
    pub(crate) reserved: Vec<PortRange>,
}

impl KernelPorts {
    /// Those of this network namespace.
    pub(crate) fn this() -> Self {
        let read = |name| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
        Self {
            given_out: read("ip_local_port_range").ok().as_deref().and_then(parse_given_out),
            reserved: read("ip_local_reserved_ports").map_or(Vec::new(), |text| parse_list(&text)),
        }
    }

    /// Whether the kernel may give another program one of these ports. A port of the `xdp` backend
    /// has no socket, so the kernel takes it for free; that program would get no answers.
    pub(crate) fn gives_out(&self, ports: PortRange) -> bool {
        let Some(given_out) = self.given_out else {
            return false;
        };
        ports.all().any(|port| {
            given_out.all().contains(&port)
                && !self.reserved.iter().any(|range| range.all().contains(&port))
        })
    }

    /// The setting that keeps these ports, and those reserved already, from other programs.
    pub(crate) fn remedy(&self, ports: PortRange) -> String {
        let mut all = self.reserved.clone();
        all.push(ports);
        all.sort_unstable_by_key(|range| range.low);
        let list: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("sysctl -w net.ipv4.ip_local_reserved_ports={}", list.join(","))
    }
}

fn parse_given_out(text: &str) -> Option<PortRange> {
    let mut numbers = text.split_whitespace();
    let (low, high) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some(PortRange { low, high })
}

/// Ports and ranges, separated by commas.
fn parse_list(text: &str) -> Vec<PortRange> {
    let range = |item: &str| {
        let (low, high) = item.trim().split_once('-').unwrap_or((item.trim(), item.trim()));
        Some(PortRange { low: low.parse().ok()?, high: high.parse().ok()? })
    };
    text.split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(reserved: &str) -> KernelPorts {
        let given_out = parse_given_out("32768\t60999\n");
        KernelPorts { given_out, reserved: parse_list(reserved) }
    }

    const PORTS: PortRange = PortRange { low: 40_000, high: 40_009 };

    #[test]
    fn ports_are_given_out_unless_all_of_them_are_reserved_or_outside() {
        let table = [
            ("\n", true),
            ("40000-40009\n", false),
            ("40000-40004,40005,40006-40100\n", false),
            ("40000-40008\n", true),
            ("8080,40001-40009\n", true),
        ];
        for (reserved, given_out) in table {
            assert_eq!(kernel(reserved).gives_out(PORTS), given_out, "{reserved:?}");
        }
        assert!(!kernel("").gives_out(PortRange { low: 20_000, high: 32_767 }));
        assert!(kernel("").gives_out(PortRange { low: 20_000, high: 32_768 }));
        assert!(!KernelPorts::default().gives_out(PORTS));
    }

    #[test]
    fn the_remedy_keeps_what_is_reserved_already() {
        let line = kernel("50000,8080-8081").remedy(PORTS);
        let expected = "8080-8081,40000-40009,50000-50000";
        assert_eq!(line, format!("sysctl -w net.ipv4.ip_local_reserved_ports={expected}"));
        let after = kernel(line.split('=').next_back().expect("a list"));
        assert!(!after.gives_out(PORTS));
    }

    #[test]
    fn this_kernel_tells_its_ports() {
        assert!(KernelPorts::this().given_out.is_some());
    }
}
