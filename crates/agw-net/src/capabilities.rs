//! The capabilities of a thread (capabilities(7)): looked at, and given up.

use std::io;

/// A capability that the `xdp` backend takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: attaching programs, asking for neighbours.
    NetAdmin = 12,
    /// `CAP_NET_RAW`: AF_XDP sockets.
    NetRaw = 13,
    /// `CAP_BPF`: loading programs (Linux 5.8; before, `CAP_SYS_ADMIN`).
    Bpf = 39,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NetAdmin, Self::NetRaw, Self::Bpf];

    /// Its name in the manual.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::NetRaw => "CAP_NET_RAW",
            Self::Bpf => "CAP_BPF",
        }
    }

    fn bit(self) -> u64 {
        1 << (self as u32)
    }
}

/// Those of [`Capability::ALL`] that the calling thread does not have in force.
///
/// # Errors
/// The kernel's.
pub fn missing_capabilities() -> io::Result<Vec<Capability>> {
    let Sets { effective, .. } = read()?;
    Ok(Capability::ALL.into_iter().filter(|one| effective & one.bit() == 0).collect())
}

/// Gives up all capabilities of the calling thread but these, of which it keeps what it has;
/// threads started afterwards have no more. There is no way back.
///
/// # Errors
/// The kernel's; nothing changes then.
pub fn keep_capabilities(kept: &[Capability]) -> io::Result<()> {
    let kept = kept.iter().fold(0, |bits, one| bits | one.bit());
    let Sets { effective, permitted } = read()?;
    write(Sets { effective: effective & kept, permitted: permitted & kept })
}

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 in two halves.
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`; 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

/// `struct __user_cap_data_struct`: half of each set.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

#[derive(Debug, Clone, Copy)]
struct Sets {
    effective: u64,
    permitted: u64,
}

fn read() -> io::Result<Sets> {
    let mut header = Header { version: VERSION, pid: 0 };
    let mut halves = [Half::default(); 2];
    // SAFETY: the kernel reads and writes one header and writes two halves, as this version says;
    // both outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let [low, high] = halves;
    let whole = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(Sets {
        effective: whole(low.effective, high.effective),
        permitted: whole(low.permitted, high.permitted),
    })
}

/// Nothing is left to be inherited, which empties the ambient set as well.
fn write(Sets { effective, permitted }: Sets) -> io::Result<()> {
    let header = Header { version: VERSION, pid: 0 };
    let half = |shift: u32| Half {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: 0,
    };
    let halves = [half(0), half(32)];
    // SAFETY: the kernel reads one header and two halves, as this version says; both outlive the
    // call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    fn told(line: &str) -> u64 {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let hex = status.lines().find_map(|one| one.strip_prefix(line)).unwrap();
        u64::from_str_radix(hex.trim(), 16).unwrap()
    }

    #[test]
    fn a_thread_keeps_what_it_names_and_had_and_nothing_else() {
        let before = told("CapPrm:");
        let (one, none) = thread::spawn(|| {
            keep_capabilities(&[Capability::NetAdmin]).unwrap();
            let one = (told("CapPrm:"), told("CapEff:"), told("CapInh:"));
            keep_capabilities(&[]).unwrap();
            assert_eq!(missing_capabilities().unwrap(), Capability::ALL);
            // No way back.
            keep_capabilities(&Capability::ALL).unwrap();
            (one, (told("CapPrm:"), told("CapEff:"), told("CapAmb:")))
        })
        .join()
        .unwrap();
        let net_admin = before & Capability::NetAdmin.bit();
        assert_eq!(one, (net_admin, net_admin, 0));
        assert_eq!(none, (0, 0, 0));
        assert_eq!(told("CapPrm:"), before, "the other threads");
    }

    #[test]
    fn what_is_missing_is_what_the_kernel_does_not_list() {
        let effective = told("CapEff:");
        let missing = missing_capabilities().unwrap();
        for one in Capability::ALL {
            let has = effective & one.bit() != 0;
            assert_eq!(!missing.contains(&one), has, "{}", one.name());
        }
    }
}
