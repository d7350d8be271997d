//! Network namespaces for tests: nothing of the host is touched, and nothing is left behind.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    process::{Command, Stdio},
    thread,
};

/// A network namespace without a name: it goes when this and the last process in it are gone.
#[derive(Debug)]
pub(crate) struct Namespace {
    handle: OwnedFd,
}

impl Namespace {
    /// A new one with `lo` up; `None` was told as a skip of the running test.
    pub(crate) fn new() -> Option<Self> {
        let made = thread::scope(|scope| scope.spawn(unshare).join().unwrap());
        match made {
            Ok(handle) => {
                let namespace = Self { handle };
                namespace.ip("link set lo up");
                Some(namespace)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                skip("root");
                None
            }
            Err(error) => panic!("no network namespace: {error}"),
        }
    }

    /// Runs `work` on a thread inside.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                work()
            });
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Moves the calling thread inside, for good.
    pub(crate) fn enter(&self) {
        // SAFETY: takes numbers, touches no memory; the descriptor is open as long as `self`.
        let result = unsafe { libc::setns(self.handle.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }

    /// Runs `ip` inside with words that contain no spaces.
    pub(crate) fn ip(&self, arguments: &str) {
        self.run(|| command("ip", arguments));
    }

    /// Makes a veth pair: `near` here, `far` in another namespace, both up.
    pub(crate) fn connect(&self, near: &str, other: &Self, far: &str, queues: u32) {
        let descriptor = other.handle.as_raw_fd();
        self.ip(&format!(
            "link add name {near} numrxqueues {queues} numtxqueues {queues} type veth \
             peer name {far} numrxqueues {queues} numtxqueues {queues} \
             netns /proc/{}/fd/{descriptor}",
            std::process::id()
        ));
        self.ip(&format!("link set {near} up"));
        other.ip(&format!("link set {far} up"));
    }

    /// The index of an interface inside.
    pub(crate) fn index(&self, interface: &str) -> u32 {
        let name = std::ffi::CString::new(interface).unwrap();
        self.run(|| {
            // SAFETY: the pointer is to a string with its zero that outlives the call.
            unsafe { libc::if_nametoindex(name.as_ptr()) }
        })
    }
}

/// Runs a program to its end, which must be a good one.
pub(crate) fn command(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tells that the running test misses something, as `agw_testkit::peer` does (which this crate's
/// tests do without, for the time it takes to build).
pub(crate) fn skip(peer: &str) {
    let required = std::env::var("AGW_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{peer} is missing, and AGW_REQUIRE_PEERS is 1");
    println!("SKIPPED: {peer}");
    let Some(file) = std::env::var_os("AGW_SKIP_FILE") else { return };
    let test = thread::current().name().unwrap_or("a test without a name").to_owned();
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{peer}\t{test}\n").as_bytes()).unwrap();
}

fn unshare() -> io::Result<OwnedFd> {
    // SAFETY: takes a number, touches no memory; it moves this thread alone.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(File::open("/proc/thread-self/ns/net")?.into())
}
