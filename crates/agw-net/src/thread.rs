//! What a worker asks of the kernel for its own thread.

use std::{ffi::CString, io, mem::size_of, mem::zeroed, time::Duration};

use crate::process::process_control;

/// Lets the calling thread run on one core only.
///
/// # Errors
/// `InvalidInput` if the core does not exist or is not granted to this process.
pub fn pin_current_thread(core: usize) -> io::Result<()> {
    if core >= CORES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "core number too large"));
    }
    let mut set = no_cores();
    // SAFETY: `core` is below the number of bits in the set, which is borrowed for the call.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: 0 is the calling thread; pointer and length describe `set`, which outlives the call;
    // the kernel only reads it.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The cores the calling thread may run on, in order.
///
/// # Errors
/// `InvalidInput` if the machine has more cores than a set of libc holds (1,024).
pub fn allowed_cores() -> io::Result<Vec<usize>> {
    let mut set = no_cores();
    // SAFETY: 0 is the calling thread; pointer and length describe `set`, which outlives the call;
    // the kernel writes at most that many octets, any of which make a valid set.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let allowed = |core: &usize| {
        // SAFETY: `core` is below the number of bits in the set, which is borrowed for the call.
        unsafe { libc::CPU_ISSET(*core, &set) }
    };
    Ok((0..CORES).filter(allowed).collect())
}

/// Names the calling thread for `ps`, `top` and `perf`; the kernel keeps the first 15 octets.
///
/// # Errors
/// `InvalidInput` if the name contains a NUL, else the kernel's.
pub fn set_thread_name(name: &str) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: the pointer is to a NUL-terminated string that outlives the call; the kernel copies
    // at most 16 octets of it and writes nothing.
    let result = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0_u64, 0_u64, 0_u64) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets by how much the kernel may lengthen sleeps of the calling thread to save wake-ups
/// (50 us if never set, 1 ns at least).
///
/// # Errors
/// The kernel's.
pub fn set_timer_slack(slack: Duration) -> io::Result<()> {
    // 0 would mean the default.
    let nanoseconds = slack.as_nanos().clamp(1, 1_000_000_000);
    let value = libc::c_ulong::try_from(nanoseconds).unwrap_or(1_000_000_000);
    process_control(libc::PR_SET_TIMERSLACK, value)
}

/// Bits of a `cpu_set_t`.
const CORES: usize = size_of::<libc::cpu_set_t>() * 8;

fn no_cores() -> libc::cpu_set_t {
    // SAFETY: a core set is an array of numbers; all zeroes is the valid empty set.
    unsafe { zeroed() }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    #[test]
    fn a_pinned_thread_may_run_on_that_core_only() {
        let allowed = allowed_cores().unwrap();
        let last = *allowed.last().unwrap();
        let pinned = thread::spawn(move || {
            pin_current_thread(last).unwrap();
            allowed_cores().unwrap()
        });
        assert_eq!(pinned.join().unwrap(), [last]);
        assert_eq!(allowed_cores().unwrap(), allowed);
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused() {
        for core in [CORES - 1, CORES, usize::MAX] {
            let error = thread::spawn(move || pin_current_thread(core)).join().unwrap();
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::InvalidInput, "core {core}");
        }
    }

    #[test]
    fn name_and_timer_slack_are_those_of_the_thread() {
        let seen = thread::spawn(|| {
            set_thread_name("agw-worker-0").unwrap();
            set_timer_slack(Duration::from_micros(1)).unwrap();
            let name = fs::read_to_string("/proc/thread-self/comm").unwrap();
            // SAFETY: takes numbers, touches no memory.
            let slack = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK, 0, 0, 0, 0) };
            (name, slack)
        });
        assert_eq!(seen.join().unwrap(), ("agw-worker-0\n".to_owned(), 1_000));
        assert!(set_thread_name("a\0b").is_err());
    }
}
