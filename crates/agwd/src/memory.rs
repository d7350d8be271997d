//! How much memory there is, and how much of it is in use.
//!
//! The limit is the configured one, else that of the control group, of either version, else the
//! machine's. What counts as used is what cannot be had back: the process's own memory, or, where
//! the group's limit is the one that counts, the group's without file pages.

use std::fs;
use std::path::{Path, PathBuf};

/// Where control groups are, and which the process is in.
const GROUPS: &str = "/sys/fs/cgroup";
const OWN_GROUP: &str = "/proc/self/cgroup";
/// Limits from here on stand for none (version 1 has no other word for it).
const NO_LIMIT: u64 = 1 << 60;

/// The memory that the process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    limit: u64,
    group: Option<Group>,
}

/// A control group with a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    usage: PathBuf,
    stat: PathBuf,
    /// The line of `stat` with file pages that can be had back.
    inactive: &'static str,
}

/// The files of a version of control groups.
struct Version {
    limit: &'static str,
    usage: &'static str,
    inactive: &'static str,
}

const V1: Version = Version {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file ",
};
const V2: Version =
    Version { limit: "memory.max", usage: "memory.current", inactive: "inactive_file " };

impl Memory {
    /// The memory that this process may use; `None` if nobody tells how much that is.
    pub(crate) fn of_process(configured: Option<u64>) -> Option<Self> {
        if let Some(limit) = configured {
            return Some(Self { limit, group: None });
        }
        let own = fs::read_to_string(OWN_GROUP).unwrap_or_default();
        Self::of_group(Path::new(GROUPS), &own).or_else(|| {
            let limit = machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
            Some(Self { limit, group: None })
        })
    }

    /// What the groups of a process grant it; the tightest of its own and those above counts.
    fn of_group(root: &Path, own: &str) -> Option<Self> {
        let mut tightest: Option<Self> = None;
        for line in own.lines() {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let (version, root) = match controllers {
                "" => (&V2, root.to_owned()),
                of if of.split(',').any(|one| one == "memory") => (&V1, root.join("memory")),
                _ => continue,
            };
            // Seen from within a container the path may be the host's: its root is here then.
            let path = root.join(path.trim_start_matches('/'));
            let places = path.ancestors().take_while(|place| place.starts_with(&root));
            for place in places {
                let limit = fs::read_to_string(place.join(version.limit)).ok();
                let limit = limit.and_then(|limit| limit.trim().parse().ok());
                let Some(limit) = limit.filter(|&limit| limit < NO_LIMIT) else {
                    continue;
                };
                if tightest.as_ref().is_none_or(|tightest| limit < tightest.limit) {
                    let group = Group {
                        usage: place.join(version.usage),
                        stat: place.join("memory.stat"),
                        inactive: version.inactive,
                    };
                    tightest = Some(Self { limit, group: Some(group) });
                }
            }
        }
        tightest
    }

    /// What is in use of the limit, in percent, by what the process itself has resident.
    pub(crate) fn used_percent(&self, resident: u64) -> u8 {
        let group = self.group.as_ref().and_then(Group::used).unwrap_or_default();
        let percent = resident.max(group).saturating_mul(100) / self.limit.max(1);
        u8::try_from(percent).unwrap_or(u8::MAX)
    }

    /// The limit, in octets.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }
}

impl Group {
    fn used(&self) -> Option<u64> {
        let usage: u64 = fs::read_to_string(&self.usage).ok()?.trim().parse().ok()?;
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        let inactive = stat.lines().find_map(|line| line.strip_prefix(self.inactive));
        let inactive: u64 = inactive.and_then(|octets| octets.trim().parse().ok()).unwrap_or(0);
        Some(usage.saturating_sub(inactive))
    }
}

/// The machine's memory, from `/proc/meminfo`.
fn machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(root: &Path, path: &str, files: &[(&str, &str)]) {
        let place = root.join(path);
        fs::create_dir_all(&place).expect("a directory");
        for (name, text) in files {
            fs::write(place.join(name), text).expect("a file");
        }
    }

    #[test]
    fn the_tightest_group_counts_without_its_file_pages() {
        let root = tempfile::tempdir().expect("a directory");
        let own = "0::/pods/agwd\n";
        group(root.path(), "pods", &[("memory.max", "1000\n"), ("memory.current", "900\n")]);
        group(root.path(), "pods/agwd", &[("memory.max", "max\n"), ("memory.current", "1\n")]);
        group(root.path(), "pods", &[("memory.stat", "anon 1\ninactive_file 400\n")]);
        let memory = Memory::of_group(root.path(), own).expect("a limit");
        assert_eq!((memory.limit(), memory.used_percent(0)), (1_000, 50));
        assert_eq!(memory.used_percent(850), 85);
        assert_eq!(memory.used_percent(u64::MAX), u8::MAX);
    }

    #[test]
    fn groups_of_version_1_are_read_and_their_word_for_no_limit_understood() {
        let root = tempfile::tempdir().expect("a directory");
        let own = "11:cpu:/a\n10:memory,hugetlb:/a/b\n0::/\n";
        let none = [("memory.limit_in_bytes", "9223372036854771712\n")];
        group(root.path(), "memory/a/b", &none);
        assert_eq!(Memory::of_group(root.path(), own), None);
        let files = [
            ("memory.limit_in_bytes", "2000\n"),
            ("memory.usage_in_bytes", "1500\n"),
            ("memory.stat", "inactive_file 9\ntotal_inactive_file 500\n"),
        ];
        group(root.path(), "memory/a", &files);
        let memory = Memory::of_group(root.path(), own).expect("a limit");
        assert_eq!((memory.limit(), memory.used_percent(0)), (2_000, 50));
    }

    #[test]
    fn a_path_of_the_host_is_looked_for_at_the_root() {
        let root = tempfile::tempdir().expect("a directory");
        group(root.path(), "", &[("memory.max", "3000\n"), ("memory.current", "0\n")]);
        let memory = Memory::of_group(root.path(), "0::/kubepods/pod1/c1\n").expect("a limit");
        assert_eq!(memory.limit(), 3_000);
    }

    #[test]
    fn what_is_configured_beats_all_else_and_the_machine_is_the_last_resort() {
        assert_eq!(Memory::of_process(Some(5)).map(|memory| memory.limit()), Some(5));
        assert_eq!(machine("MemTotal:       16 kB\nMemFree: 1 kB\n"), Some(16_384));
        assert!(Memory::of_process(None).is_some());
    }
}
