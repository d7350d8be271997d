//! `bpf(2)`: one command a function.

use std::{
    ffi::CStr,
    io,
    mem::size_of,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use super::assembler::Instruction;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE_ELEM: libc::c_int = 2;
#[cfg(test)]
const MAP_DELETE_ELEM: libc::c_int = 3;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;

const MAP_TYPE_XSKMAP: u32 = 17;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_TYPE_XDP: u32 = 37;

/// `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` of `linux/if_link.h`.
pub(super) const GENERIC: u32 = 1 << 1;
pub(super) const NATIVE: u32 = 1 << 2;

/// Octets of a name, the last of them zero.
const NAME: usize = 16;

/// Room for what the verifier says.
const LOG: usize = 64 * 1024;

/// The members of `union bpf_attr` for each command, as of Linux 5.9; the kernel takes what is
/// behind them as zero.
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; NAME],
}

#[repr(C)]
struct MapElement {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; NAME],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

#[repr(C)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// A map from queue to AF_XDP socket.
pub(super) fn create_socket_map(queues: u32) -> io::Result<OwnedFd> {
    let attribute = MapCreate {
        map_type: MAP_TYPE_XSKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: queues,
        map_flags: 0,
        inner_map_fd: 0,
        numa_node: 0,
        map_name: name(c"agw_sockets"),
    };
    open(bpf(MAP_CREATE, &attribute)?)
}

/// Puts a socket into the map. The kernel takes it out again when the socket is closed.
pub(super) fn put_socket(
    map: BorrowedFd<'_>,
    queue: u32,
    socket: BorrowedFd<'_>,
) -> io::Result<()> {
    let value = number(socket.as_raw_fd())?;
    let attribute = MapElement {
        map_fd: number(map.as_raw_fd())?,
        padding: 0,
        key: address(&raw const queue),
        value: address(&raw const value),
        flags: 0,
    };
    bpf(MAP_UPDATE_ELEM, &attribute).map(drop)
}

/// Takes the socket of a queue out of the map.
#[cfg(test)]
pub(super) fn remove_socket(map: BorrowedFd<'_>, queue: u32) -> io::Result<()> {
    let attribute = MapElement {
        map_fd: number(map.as_raw_fd())?,
        padding: 0,
        key: address(&raw const queue),
        value: 0,
        flags: 0,
    };
    bpf(MAP_DELETE_ELEM, &attribute).map(drop)
}

/// Loads an XDP program. The error comes with what the verifier said, if it came that far.
pub(super) fn load(code: &[Instruction]) -> Result<OwnedFd, (io::Error, String)> {
    let quiet = load_and_log(code, &mut []);
    // With a log it takes longer and may fail for want of room: only to tell why.
    let Err(error) = quiet else { return quiet.map_err(|error| (error, String::new())) };
    let mut log = vec![0; LOG];
    let again = load_and_log(code, &mut log);
    again.map_err(|_| {
        let text = CStr::from_bytes_until_nul(&log).unwrap_or(c"");
        (error, text.to_string_lossy().trim().to_owned())
    })
}

fn load_and_log(code: &[Instruction], log: &mut [u8]) -> io::Result<OwnedFd> {
    let attribute = ProgramLoad {
        prog_type: PROG_TYPE_XDP,
        insn_cnt: u32::try_from(code.len()).map_err(io::Error::other)?,
        insns: address(code.as_ptr()),
        // None of the helpers that the program calls asks for a licence compatible with the GPL.
        license: address(c"Apache-2.0".as_ptr()),
        log_level: u32::from(!log.is_empty()),
        log_size: u32::try_from(log.len()).map_err(io::Error::other)?,
        log_buf: if log.is_empty() { 0 } else { address(log.as_mut_ptr()) },
        kern_version: 0,
        prog_flags: 0,
        prog_name: name(c"agw_filter"),
        prog_ifindex: 0,
        expected_attach_type: ATTACH_TYPE_XDP,
    };
    open(bpf(PROG_LOAD, &attribute)?)
}

/// Attaches a program to an interface until the descriptor is closed, by whomever.
pub(super) fn attach(program: BorrowedFd<'_>, interface: u32, flags: u32) -> io::Result<OwnedFd> {
    let attribute = LinkCreate {
        prog_fd: number(program.as_raw_fd())?,
        target_ifindex: interface,
        attach_type: ATTACH_TYPE_XDP,
        flags,
    };
    open(bpf(LINK_CREATE, &attribute)?)
}

/// The one system call. `attribute` is one of the structures of this module, whose pointers are
/// to what outlives the call and is as long as it says.
fn bpf<A>(command: libc::c_int, attribute: &A) -> io::Result<libc::c_long> {
    // SAFETY: pointer and length describe `attribute`, which outlives the call and is only read;
    // the pointers in it are the caller's promise above. The kernel writes to none of them but
    // the log's, which comes from an exclusive borrow.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attribute), size_of::<A>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn open(descriptor: libc::c_long) -> io::Result<OwnedFd> {
    let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for us (close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn number(descriptor: RawFd) -> io::Result<u32> {
    u32::try_from(descriptor).map_err(io::Error::other)
}

fn address<T>(pointer: *const T) -> u64 {
    pointer.expose_provenance() as u64
}

/// Cut to fit, with its zero.
fn name(text: &CStr) -> [u8; NAME] {
    let mut octets = [0; NAME];
    for (to, from) in octets.iter_mut().zip(text.to_bytes().iter().take(NAME - 1)) {
        *to = *from;
    }
    octets
}
