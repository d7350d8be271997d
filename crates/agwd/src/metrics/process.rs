//! The process as the kernel sees it, under the names that every exporter uses.

use std::fs;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::proto::{Counter, Metric, MetricFamily, MetricType};

use super::families::{gauge, gauges};

/// Clock ticks in a second: what Linux tells user space, on every architecture.
const TICKS: f64 = 100.0;
/// Fields of `/proc/self/stat` after the command's closing parenthesis, from 0 (proc(5)).
const UTIME: usize = 11;
const STIME: usize = 12;
const START_TIME: usize = 19;

/// What `/proc` tells; what it does not tell is left out.
pub(super) fn families() -> Vec<MetricFamily> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let field = |number: usize| {
        let (_, fields) = stat.rsplit_once(") ")?;
        f64::from_str(fields.split(' ').nth(number)?).ok()
    };
    let cpu = field(UTIME).zip(field(STIME)).map(|(user, system)| (user + system) / TICKS);
    let start = field(START_TIME).zip(boot_time()).map(|(ticks, boot)| boot + ticks / TICKS);
    let open = agw_net::descriptors_open().ok();
    let limit = agw_net::descriptor_limit().ok();
    let plain = |name, help, value: Option<f64>| {
        value.map(|value| gauges(name, help, vec![gauge(&[], value)]))
    };
    [
        cpu.map(cpu_family),
        plain(
            "process_resident_memory_bytes",
            "Resident memory.",
            resident().map(|octets| octets as f64),
        ),
        plain("process_start_time_seconds", "Start of the process, since the epoch.", start),
        plain("process_open_fds", "Open descriptors.", open.map(|n| n as f64)),
        plain("process_max_fds", "The most descriptors.", limit.map(|n| n as f64)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn cpu_family(seconds: f64) -> MetricFamily {
    let mut counter = Counter::default();
    counter.set_value(seconds);
    let mut metric = Metric::default();
    metric.set_counter(counter);
    let mut family = MetricFamily::default();
    family.set_name("process_cpu_seconds_total".to_owned());
    family.set_help("User and system time.".to_owned());
    family.set_field_type(MetricType::COUNTER);
    family.set_metric(vec![metric]);
    family
}

/// What the process has in memory, in octets; 0 if the kernel does not tell.
pub(crate) fn resident_octets() -> u64 {
    resident().unwrap_or_default()
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim();
    u64::from_str(kilobytes).ok().map(|kilobytes| kilobytes * 1_024)
}

/// When the machine started, in seconds since the epoch.
fn boot_time() -> Option<f64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let uptime = f64::from_str(uptime.split(' ').next()?).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(now.as_secs_f64() - uptime)
}
