//! Network namespaces of our own: the gateway in one, the generator in another, a veth pair for
//! each side of the gateway between them.
//!
//! This program starts itself anew inside the generator's namespace, and removes everything when
//! that has ended, however it ended.

use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::site::MEDIA_PORTS;

/// Names of namespaces begin with this, then the process that made them.
const PREFIX: &str = "agw-load-";
/// The variable that tells the process inside who has made its namespaces.
const INSIDE: &str = "AGW_LOAD_NAMESPACES_OF";
/// Addresses for measurements, IPv4 (RFC 2544) and IPv6 (RFC 5180), by side; the last part is 1 at
/// the gateway, 2 at the generator.
const NETWORKS: [(&str, &str); 2] = [("198.18.0.", "2001:2:0:1::"), ("198.19.0.", "2001:2:0:2::")];

/// The namespaces of a run, by the process that made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Namespaces {
    pid: u32,
}

impl Namespaces {
    const fn of(pid: u32) -> Self {
        Self { pid }
    }

    /// Those that this process runs in, if it was started so.
    pub(crate) fn around() -> Option<Self> {
        Some(Self::of(env::var(INSIDE).ok()?.parse().ok()?))
    }

    /// The gateway's.
    pub(crate) fn gateway(self) -> String {
        format!("{PREFIX}{}-gateway", self.pid)
    }

    fn generator(self) -> String {
        format!("{PREFIX}{}-generator", self.pid)
    }

    /// The gateway's interface of a side, 0 for access and 1 for core. Short: threads of the kernel
    /// that are named after it have room for fifteen letters.
    pub(crate) fn gateway_device(self, side: usize) -> String {
        format!("{}{}g", if side == 0 { 'a' } else { 'c' }, self.pid % 1_000_000)
    }

    /// The generator's interface of a side.
    pub(crate) fn generator_device(self, side: usize) -> String {
        format!("{}{}p", if side == 0 { 'a' } else { 'c' }, self.pid % 1_000_000)
    }

    /// The gateway's and the generator's address of a side.
    pub(crate) fn addresses(side: usize, is_v6: bool) -> Option<[IpAddr; 2]> {
        let (v4, v6) = NETWORKS.get(side)?;
        let address = |host: u8| format!("{}{host}", if is_v6 { v6 } else { v4 }).parse().ok();
        Some([address(1)?, address(2)?])
    }

    /// Packets that the drivers of the interfaces have dropped where only `ethtool` tells, as those
    /// for which XDP found no memory; 0 without `ethtool`.
    pub(crate) fn driver_drops(self) -> u64 {
        let ends = [0, 1].map(|side| {
            let (gateway, generator) = (self.gateway_device(side), self.generator_device(side));
            [(self.gateway(), gateway), (self.generator(), generator)]
        });
        let dropped = |line: &str| {
            let (name, count) = line.split_once(':')?;
            name.trim().ends_with("_drops").then_some(count)?.trim().parse::<u64>().ok()
        };
        let told = |(namespace, device): &(String, String)| {
            let mut command = Command::new("ip");
            let output =
                command.args(["netns", "exec", namespace, "ethtool", "-S", device]).output();
            let text = output.map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&text).lines().filter_map(dropped).sum::<u64>()
        };
        ends.iter().flatten().map(told).sum()
    }

    fn make(self, threaded: bool) -> anyhow::Result<()> {
        let (gateway, generator) = (self.gateway(), self.generator());
        for name in [&gateway, &generator] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        // Media ports past the network stack must be nobody else's.
        let (lowest, highest) = (MEDIA_PORTS.start(), MEDIA_PORTS.end());
        let before = lowest - 1;
        let script = format!(
            "cd /proc/sys/net/ipv4 && echo 2000 {before} > ip_local_port_range && \
             echo {lowest}-{highest} > ip_local_reserved_ports"
        );
        ip(&["netns", "exec", &gateway, "sh", "-c", &script])?;
        for side in [0, 1] {
            let (near, far) = (self.gateway_device(side), self.generator_device(side));
            let ends = ["type", "veth", "peer", "name", &far, "netns", &generator];
            ip(&[&["link", "add", &near, "netns", &gateway], &ends[..]].concat())?;
            let macs = [self.mac(side, 1), self.mac(side, 2)];
            let ends = [(&gateway, &near), (&generator, &far)];
            for (place, (namespace, device)) in ends.into_iter().enumerate() {
                let [own, other] = if place == 0 { [0, 1] } else { [1, 0] };
                let mac = macs.get(own).context("no such end")?;
                ip(&["-n", namespace, "link", "set", device, "address", mac])?;
                ip(&["-n", namespace, "link", "set", device, "up"])?;
                if threaded {
                    run_threaded(namespace, device)?;
                }
                let mac = macs.get(other).context("no such end")?;
                addresses(namespace, device, side, own, other, mac)?;
            }
        }
        Ok(())
    }

    fn mac(self, side: usize, end: u8) -> String {
        let [_, b, c, d] = self.pid.to_be_bytes();
        format!("02:{b:02x}:{c:02x}:{d:02x}:{side:02x}:{end:02x}")
    }

    /// Removes what there is of it; says nothing of what there is not.
    fn remove(self) {
        for name in [self.gateway(), self.generator()] {
            // A gateway whose harness was killed lives on.
            let left = Command::new("ip").args(["netns", "pids", &name]).output();
            let left = left.map(|output| output.stdout).unwrap_or_default();
            for pid in String::from_utf8_lossy(&left).split_whitespace() {
                let _ = Command::new("kill").args(["-s", "KILL", pid]).status();
            }
            let _ = ip(&["netns", "del", &name]);
        }
    }
}

/// Addresses of an end of a pair, and the other end as a neighbour that need not be asked for.
fn addresses(
    namespace: &str,
    device: &str,
    side: usize,
    own: usize,
    other: usize,
    other_mac: &str,
) -> anyhow::Result<()> {
    for (is_v6, length) in [(false, "/24"), (true, "/64")] {
        let both = Namespaces::addresses(side, is_v6).context("no such side")?;
        let text = |end: usize| both.get(end).map(IpAddr::to_string).context("no such end");
        let address = text(own)? + length;
        let mut words = vec!["-n", namespace, "addr", "add", &address, "dev", device];
        words.extend(is_v6.then_some("nodad"));
        ip(&words)?;
        let neighbour = text(other)?;
        let there = ["lladdr", other_mac, "dev", device, "nud", "permanent"];
        ip(&[&["-n", namespace, "neigh", "replace", &neighbour], &there[..]].concat())?;
    }
    Ok(())
}

/// Packets that arrive are worked on by a thread of the kernel, whose time can be told, and not on
/// whatever core the sender is. A veth works so only if it may put packets together, as cards do
/// anyhow, and the sender of UDP has not put them together itself.
fn run_threaded(namespace: &str, device: &str) -> anyhow::Result<()> {
    let inside = ["netns", "exec", namespace];
    ip(&[&inside[..], &["ethtool", "-K", device, "gro", "on", "tso", "off"]].concat())
        .context("this needs the program `ethtool`; --no-threaded-napi does without")?;
    let script = format!("echo 1 > /sys/class/net/{device}/threaded");
    ip(&[&inside[..], &["sh", "-c", &script]].concat())
        .context("the kernel has no threads for this; --no-threaded-napi does without")
}

fn ip(words: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(words).stdin(Stdio::null()).output();
    let output = output.context("--netns needs the program `ip` (iproute2)")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("--netns: ip {}: {}", words.join(" "), reason.trim());
    }
    Ok(())
}

/// Makes namespaces, runs this program with the same arguments inside, and removes them; tells the
/// exit code.
///
/// # Errors
/// They cannot be made, for want of privileges or of the program `ip`.
pub(crate) async fn run_inside(threaded: bool) -> anyhow::Result<u8> {
    remove_stale();
    let made = Removed(Namespaces::of(std::process::id()));
    made.0.make(threaded)?;
    let mut command = tokio::process::Command::new("ip");
    command.args(["netns", "exec", &made.0.generator()]).arg(env::current_exe()?);
    command.args(env::args_os().skip(1)).env(INSIDE, made.0.pid.to_string());
    let mut child = command.spawn()?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let code = status?.code().and_then(|code| u8::try_from(code).ok());
                return Ok(code.unwrap_or(u8::MAX));
            }
            // The terminal has told the child as well: it ends by itself.
            _ = interrupted.recv() => {}
            _ = terminated.recv() => child.start_kill()?,
        }
    }
}

/// Namespaces that are removed in the end.
struct Removed(Namespaces);

impl Drop for Removed {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// Removes namespaces of runs that were killed.
fn remove_stale() {
    let folder = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = folder.filter_map(|entry| entry.file_name().into_string().ok());
    for pid in names.filter_map(|name| maker(&name)) {
        if !fs::exists(format!("/proc/{pid}")).unwrap_or(true) {
            Namespaces::of(pid).remove();
        }
    }
}

/// The process that made a namespace of this name, if it is one of ours.
fn maker(name: &str) -> Option<u32> {
    let (pid, end) = name.strip_prefix(PREFIX)?.split_once('-')?;
    ["gateway", "generator"].contains(&end).then_some(pid)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_this_program_are_taken_for_its_own() {
        let ours = Namespaces::of(77);
        assert_eq!(maker(&ours.gateway()), Some(77));
        assert_eq!(maker(&ours.generator()), Some(77));
        for other in ["agw-load-77", "agw-load-x-gateway", "blue", "agw-load-77-other"] {
            assert_eq!(maker(other), None, "{other}");
        }
    }

    #[test]
    fn names_leave_room_for_those_of_the_kernels_threads() {
        let largest = Namespaces::of(4_194_304);
        for side in [0, 1] {
            for device in [largest.gateway_device(side), largest.generator_device(side)] {
                assert!(format!("napi/{device}-").len() <= 15, "{device}");
            }
        }
    }
}
