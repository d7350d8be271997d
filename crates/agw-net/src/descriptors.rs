//! How many descriptors there are, and how many there may be.

use std::{fs, io};

/// Descriptors this process has open.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn descriptors_open() -> io::Result<u64> {
    let listed = fs::read_dir("/proc/self/fd")?.count() as u64;
    // One of these is the listing itself.
    Ok(listed.saturating_sub(1))
}

/// Descriptors this process may have open (the soft limit).
///
/// # Errors
/// The kernel's.
pub fn descriptor_limit() -> io::Result<u64> {
    resource_limit(libc::RLIMIT_NOFILE).map(|(soft, _)| soft)
}

/// Raises the descriptor limit towards `wanted`, as far as the hard limit goes, and tells what it
/// is now. A limit that is higher already stays.
///
/// # Errors
/// The kernel's; the limit is unchanged then.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = resource_limit(libc::RLIMIT_NOFILE)?;
    let target = wanted.min(hard);
    if target <= soft {
        return Ok(soft);
    }
    set_resource_limit(libc::RLIMIT_NOFILE, target, hard)?;
    Ok(target)
}

/// glibc gives these constants a type of their own, musl an `int`.
#[cfg(target_env = "gnu")]
pub(crate) use libc::__rlimit_resource_t as Resource;
#[cfg(not(target_env = "gnu"))]
pub(crate) use libc::c_int as Resource;

pub(crate) fn set_resource_limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to one structure that outlives the call; the kernel only reads it.
    let result = unsafe { libc::setrlimit(resource, &raw const limit) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn resource_limit(resource: Resource) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to one structure of two numbers that outlives the call; the kernel
    // fills it.
    let result = unsafe { libc::getrlimit(resource, &raw mut limit) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((limit.rlim_cur, limit.rlim_max))
}
