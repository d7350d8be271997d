//! What the kernel tells of processes and cores (`/proc`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;

use crate::netns::Namespaces;
use crate::result::{CoreUse, Footprint, Machine, ProcessUse, ThreadUse};

/// Ticks a second of the times in `/proc` (`USER_HZ`), the same on every Linux of today.
const TICKS: f64 = 100.0;

/// Columns of `/proc/net/dev`: dropped while receiving, dropped while sending.
const DROPPED: [usize; 2] = [3, 11];

/// Processor time of a process's threads at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Threads(BTreeMap<u32, Thread>);

#[derive(Debug, Clone, Default)]
struct Thread {
    name: String,
    user_ticks: f64,
    system_ticks: f64,
    /// Seconds on a core, to the nanosecond, where the kernel tells.
    seconds: Option<f64>,
}

impl Threads {
    /// Reads the threads of a process.
    ///
    /// # Errors
    /// There is no such process.
    pub(crate) fn read(pid: u32) -> anyhow::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}/task"));
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut threads = BTreeMap::new();
        for entry in entries.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            // A thread may end between the two looks.
            if let (Some(id), Some(thread)) = (id, Thread::read(&entry.path())) {
                threads.insert(id, thread);
            }
        }
        Ok(Self(threads))
    }

    /// The running thread alone, all of its life.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub(crate) fn of_this_thread() -> anyhow::Result<Self> {
        let thread = Thread::read(Path::new("/proc/thread-self")).context("/proc/thread-self")?;
        Ok(Self([(0, thread)].into()))
    }

    /// The threads of the kernel that work on what arrives at these interfaces, if there are any.
    pub(crate) fn of_devices<'a>(devices: impl Iterator<Item = &'a String> + Clone) -> Self {
        let is_of = |name: &str| {
            let rest = name.strip_prefix("napi/");
            rest.is_some_and(|rest| {
                devices
                    .clone()
                    .any(|device| rest.strip_prefix(device).is_some_and(|end| end.starts_with('-')))
            })
        };
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if let Some(id) = id.filter(|_| is_of(name.trim()))
                && let Some(thread) = Thread::read(&entry.path())
            {
                threads.insert(id, thread);
            }
        }
        Self(threads)
    }

    /// What they have used since an earlier moment; idle ones are left out.
    pub(crate) fn since(&self, earlier: &Self) -> Vec<ThreadUse> {
        let nothing = Thread::default();
        let used = self.0.iter().filter_map(|(id, now)| {
            let before = earlier.0.get(id).unwrap_or(&nothing);
            let user = now.user_ticks - before.user_ticks;
            let system = now.system_ticks - before.system_ticks;
            let exact = now.seconds.map(|now| now - before.seconds.unwrap_or_default());
            let seconds = exact.unwrap_or((user + system) / TICKS);
            let share = if user + system > 0.0 { user / (user + system) } else { 0.0 };
            (seconds > 0.0005).then(|| ThreadUse {
                name: now.name.clone(),
                user_seconds: seconds * share,
                system_seconds: seconds * (1.0 - share),
            })
        });
        let mut used: Vec<ThreadUse> = used.collect();
        used.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
        used
    }
}

/// Processor seconds of a thread.
pub(crate) fn seconds(thread: &ThreadUse) -> f64 {
    thread.user_seconds + thread.system_seconds
}

impl Thread {
    fn read(folder: &Path) -> Option<Self> {
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        // The name is in brackets and may hold anything, brackets too.
        let (front, rest) = stat.rsplit_once(')')?;
        let name = front.split_once('(')?.1.to_owned();
        let mut fields = rest.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse().ok();
        let (user_ticks, system_ticks) = (ticks()?, ticks()?);
        let exact = fs::read_to_string(folder.join("schedstat")).ok();
        let nanoseconds = exact.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let seconds = nanoseconds.map(|nanoseconds| nanoseconds / 1e9);
        Some(Self { name, user_ticks, system_ticks, seconds })
    }
}

/// Reads memory and descriptors of a process.
///
/// # Errors
/// There is no such process, or it is another user's.
pub(crate) fn footprint(pid: u32) -> anyhow::Result<Footprint> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).context(path)?;
    let octets = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        let kibibytes =
            value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
        kibibytes.unwrap_or_default() * 1_024
    };
    let folder = format!("/proc/{pid}/fd");
    let descriptors = fs::read_dir(&folder).context(folder)?.count() as u64;
    Ok(Footprint { rss_octets: octets("Rss:"), pss_octets: octets("Pss:"), descriptors })
}

/// What a process used between two moments, and what it holds.
pub(crate) fn process_use(
    threads: Vec<ThreadUse>,
    before: Footprint,
    after: Footprint,
    calls: u32,
) -> ProcessUse {
    let each = |after: u64, before: u64| (after as f64 - before as f64) / f64::from(calls.max(1));
    ProcessUse {
        cpu_seconds: threads.iter().map(seconds).sum(),
        threads,
        before,
        after,
        octets_per_call: each(after.pss_octets, before.pss_octets),
        descriptors_per_call: each(after.descriptors, before.descriptors),
    }
}

/// Reads what the cores have done since the machine started.
pub(crate) fn cores() -> Vec<CoreUse> {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut cores: Vec<CoreUse> = stat.lines().filter_map(core).collect();
    for (thread, core) in softirq_threads() {
        if let Some(core) = cores.iter_mut().find(|one| one.core == *core) {
            core.softirq_thread_seconds = scheduled(thread);
        }
    }
    cores
}

/// The kernel's threads for soft interrupts that were put off, `ksoftirqd/CORE`, with their cores.
fn softirq_threads() -> &'static [(PathBuf, usize)] {
    static THREADS: OnceLock<Vec<(PathBuf, usize)>> = OnceLock::new();
    THREADS.get_or_init(|| {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let thread = |directory: PathBuf| {
            let name = fs::read_to_string(directory.join("comm")).ok()?;
            let core = name.trim().strip_prefix("ksoftirqd/")?.parse().ok()?;
            Some((directory, core))
        };
        processes.filter_map(|process| thread(process.path())).collect()
    })
}

/// Seconds that a process of one thread was on a core; the kernel's book of it is exact.
fn scheduled(directory: &Path) -> f64 {
    let text = fs::read_to_string(directory.join("schedstat")).unwrap_or_default();
    let nanoseconds = text.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    nanoseconds.unwrap_or_default() / 1e9
}

fn core(line: &str) -> Option<CoreUse> {
    // The line without a number is the sum of all others.
    let numbered = line.strip_prefix("cpu").filter(|rest| !rest.starts_with(' '))?;
    let mut words = numbered.split_whitespace();
    let core = words.next()?.parse().ok()?;
    let seconds: Vec<f64> =
        words.map_while(|word| word.parse::<f64>().ok()).map(|ticks| ticks / TICKS).collect();
    let [user, nice, system, idle, wait, irq, softirq, ..] = seconds[..] else { return None };
    Some(CoreUse {
        core,
        user_seconds: user + nice,
        system_seconds: system + irq,
        softirq_seconds: softirq,
        softirq_thread_seconds: 0.0,
        idle_seconds: idle + wait,
    })
}

/// What the cores have done between two moments.
pub(crate) fn cores_since(now: &[CoreUse], before: &[CoreUse]) -> Vec<CoreUse> {
    let less = |(now, before): (&CoreUse, &CoreUse)| CoreUse {
        core: now.core,
        user_seconds: now.user_seconds - before.user_seconds,
        system_seconds: now.system_seconds - before.system_seconds,
        softirq_seconds: now.softirq_seconds - before.softirq_seconds,
        softirq_thread_seconds: now.softirq_thread_seconds - before.softirq_thread_seconds,
        idle_seconds: now.idle_seconds - before.idle_seconds,
    };
    now.iter().zip(before).map(less).collect()
}

/// Packets that the kernel has dropped because a core's backlog queue was full, of this network
/// namespace and all others.
pub(crate) fn backlog_drops() -> u64 {
    let text = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let dropped = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    text.lines().filter_map(dropped).sum()
}

/// Packets that our interfaces have dropped on either way, as the network namespaces of these
/// processes see them; 0 outside of namespaces of our own.
pub(crate) fn device_drops(pids: &[u32], namespaces: Option<Namespaces>) -> u64 {
    let Some(all) = namespaces else { return 0 };
    let devices: Vec<String> = [0, 1]
        .into_iter()
        .flat_map(|side| [all.gateway_device(side), all.generator_device(side)])
        .collect();
    let dropped = |line: &str| {
        let (name, counters) = line.split_once(':')?;
        let counters: Vec<u64> = counters.split_whitespace().flat_map(str::parse).collect();
        let is_ours = devices.iter().any(|device| device == name.trim());
        is_ours.then(|| DROPPED.iter().filter_map(|&column| counters.get(column)).sum::<u64>())
    };
    let seen_by = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/net/dev"));
    let tables = pids.iter().flat_map(seen_by);
    let counted: u64 = tables.map(|table| table.lines().filter_map(dropped).sum::<u64>()).sum();
    counted + all.driver_drops()
}

/// Describes the machine.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
    };
    let memory = value(&read("/proc/meminfo"), "MemTotal");
    let kibibytes = memory.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    Machine {
        host: read("/proc/sys/kernel/hostname"),
        cpu: value(&read("/proc/cpuinfo"), "model name"),
        cores: agw_net::allowed_cores().map_or(0, |cores| cores.len()),
        kernel: read("/proc/sys/kernel/osrelease"),
        memory_octets: kibibytes.unwrap_or_default() * 1_024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_thread_is_seen_and_idle_ones_are_not() {
        let us = std::process::id();
        let before = Threads::read(us).unwrap();
        let busy = std::thread::Builder::new().name("busy (a)".to_owned()).spawn(move || {
            let mut sum = 0u64;
            while Threads::read(us).unwrap().since(&before).iter().all(|one| one.name != "busy (a)")
            {
                sum = (0..100_000).fold(sum, u64::wrapping_add);
            }
            sum
        });
        busy.unwrap().join().unwrap();
        let footprint = footprint(us).unwrap();
        assert!(footprint.rss_octets >= footprint.pss_octets && footprint.pss_octets > 0);
        assert!(footprint.descriptors >= 3);
    }

    #[test]
    fn a_line_of_proc_stat_is_read_by_its_columns() {
        let found = core("cpu1 100 200 300 400 500 600 700 800 0 0").unwrap();
        let expected = CoreUse {
            core: 1,
            user_seconds: 3.0,
            system_seconds: 9.0,
            softirq_seconds: 7.0,
            softirq_thread_seconds: 0.0,
            idle_seconds: 9.0,
        };
        assert_eq!(found, expected);
        assert_eq!(core("cpu  1 200 300 400 500 600 700 800 0 0 0"), None);
        assert_eq!(core("intr 1"), None);
    }
}
