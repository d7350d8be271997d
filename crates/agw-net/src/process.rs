//! What the daemon asks of the kernel once for the whole process.

use std::{
    fs, io,
    mem::size_of,
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
};

use crate::descriptors::{resource_limit, set_resource_limit};

/// Makes sure that no memory of this process ends in a core dump or is read by a debugger of the
/// same user: core size limit 0 and not dumpable.
///
/// # Errors
/// The kernel's; of the two steps the first may have taken effect.
pub fn disable_core_dumps() -> io::Result<()> {
    set_resource_limit(libc::RLIMIT_CORE, 0, 0)?;
    process_control(libc::PR_SET_DUMPABLE, 0)
}

/// Lets neither this process nor its children gain privileges by executing a file.
///
/// # Errors
/// The kernel's.
pub fn no_new_privs() -> io::Result<()> {
    process_control(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Keeps this process's memory, now and to come, out of swap; pages are locked as they are used.
///
/// Refused under a finite `RLIMIT_MEMLOCK`: locking would succeed today, and the first allocation
/// beyond the limit would end the process in the middle of a call.
///
/// # Errors
/// `PermissionDenied` if the limit is finite and the process lacks `CAP_IPC_LOCK`, else the
/// kernel's; nothing is locked then.
pub fn lock_memory() -> io::Result<()> {
    let (_, hard) = resource_limit(libc::RLIMIT_MEMLOCK)?;
    set_resource_limit(libc::RLIMIT_MEMLOCK, hard, hard)?;
    if hard != libc::RLIM_INFINITY && !may_lock_without_limit()? {
        let text = "the limit of locked memory is finite (LimitMEMLOCK=infinity is needed)";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    // SAFETY: takes a number; changes how pages are kept, not what is in them.
    let result = unsafe { libc::mlockall(flags) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Raises the limit of locked memory as far as this process may by itself; tells it, in octets
/// (`u64::MAX`: none). AF_XDP counts its frames against it.
///
/// # Errors
/// The kernel's.
pub fn raise_locked_memory_limit() -> io::Result<u64> {
    let (_, hard) = resource_limit(libc::RLIMIT_MEMLOCK)?;
    set_resource_limit(libc::RLIMIT_MEMLOCK, hard, hard)?;
    Ok(hard)
}

/// The user this process acts as.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() }
}

/// The user that connected the other end of a unix stream socket (`SO_PEERCRED`).
///
/// # Errors
/// The kernel's.
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open while borrowed; pointer and `len` describe `peer`; both
    // outlive the call; the kernel writes at most `len` octets of plain numbers, and the written
    // length to `len`.
    let result = unsafe {
        libc::getsockopt(
            stream.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut len,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    if len as usize != size_of::<libc::ucred>() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(peer.uid)
}

/// Gives memory that the allocator holds and nobody uses back to the system, where the allocator can.
pub fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number of octets to keep, touches only what nobody has allocated, and may be
    // called by any thread at any time.
    let _whether_there_was_any = unsafe { libc::malloc_trim(0) };
}

/// Whether the process has `CAP_IPC_LOCK`, by `/proc/self/status`.
fn may_lock_without_limit() -> io::Result<bool> {
    const CAP_IPC_LOCK: u64 = 14;
    let status = fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    Ok(set.is_some_and(|set| set >> CAP_IPC_LOCK & 1 == 1))
}

/// A `prctl` with one number.
pub(crate) fn process_control(option: libc::c_int, value: libc::c_ulong) -> io::Result<()> {
    const UNUSED: libc::c_ulong = 0;
    // SAFETY: every option used here takes one number and reads no memory; the unused arguments
    // are 0, as the kernel demands for some of them.
    let result = unsafe { libc::prctl(option, value, UNUSED, UNUSED, UNUSED) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
