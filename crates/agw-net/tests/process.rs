//! What the process asks for itself. One process, so what it changes is changed for all of these.

#![expect(clippy::tests_outside_test_module, reason = "an integration test is one")]

use std::{
    fs::{self, File},
    io::ErrorKind,
    os::unix::{fs::MetadataExt, net::UnixStream},
};

#[test]
fn a_hardened_process_dumps_no_core_and_gains_no_privileges() {
    agw_net::disable_core_dumps().unwrap();
    agw_net::no_new_privs().unwrap();

    let limits = fs::read_to_string("/proc/thread-self/limits").unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    // SAFETY: takes numbers, touches no memory.
    let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) };
    assert_eq!(dumpable, 0);
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(status.lines().any(|line| line == "NoNewPrivs:\t1"), "{status}");
}

#[test]
fn descriptors_are_counted_and_their_limit_goes_up_to_the_hard_limit_and_never_down() {
    let before = agw_net::descriptors_open().unwrap();
    let held: Vec<_> = (0..50).map(|_| File::open("/dev/null").unwrap()).collect();
    // Other tests of this process hold a few for a moment.
    let grown = agw_net::descriptors_open().unwrap() - before;
    assert!((40..=60).contains(&grown), "{grown}");
    drop(held);

    let limit = agw_net::descriptor_limit().unwrap();
    assert_eq!(agw_net::raise_descriptor_limit(1).unwrap(), limit);
    let most = agw_net::raise_descriptor_limit(u64::MAX).unwrap();
    assert!(most >= limit);
    assert_eq!(agw_net::descriptor_limit().unwrap(), most);
    assert_eq!(agw_net::raise_descriptor_limit(u64::MAX).unwrap(), most);
}

#[test]
fn the_peer_of_a_unix_socket_is_the_user_that_made_it() {
    let (near, _far) = UnixStream::pair().unwrap();
    let owner = fs::metadata("/proc/thread-self/comm").unwrap().uid();
    assert_eq!(agw_net::peer_uid(&near).unwrap(), agw_net::effective_uid());
    assert!(agw_net::effective_uid() == owner || owner == 0);
}

/// Skip this one under AddressSanitizer: it turns `mlockall` into nothing.
#[test]
fn memory_is_locked_unless_the_limit_would_end_the_process_later() {
    match agw_net::lock_memory() {
        Ok(()) => {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let locked = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
            assert!(!locked.ends_with(" 0 kB"), "{locked}");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}"),
    }
}
