//! Other programs, ended with the test that started them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::PATIENCE;

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: PathBuf,
    name: String,
}

/// How a program ended.
#[derive(Debug)]
pub struct Finished {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output and standard error.
    pub output: String,
}

impl Program {
    /// Starts a program; what it writes goes into `directory`.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command, directory: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let number = fs::read_dir(directory).expect("the directory").count();
        let output = directory.join(format!("{number}.log"));
        let file = File::create(&output).expect("a file for the output");
        let same = file.try_clone().expect("the same file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(same)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { child, output, name }
    }

    /// Starts a program whose standard error nobody reads, though it is open.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn unheard(command: &mut Command, directory: &Path) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { child, output: directory.join("unheard"), name }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read(&self.output)
            .map(|octets| String::from_utf8_lossy(&octets).into_owned())
            .unwrap_or_default()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    ///
    /// When the operating system cannot tell.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let deadline = Instant::now() + 3 * PATIENCE;
        while self.runs() {
            assert!(Instant::now() < deadline, "{} goes on: {}", self.name, self.output());
            thread::sleep(Duration::from_millis(20));
        }
        let status = self.child.wait().expect("its exit status");
        Finished { status, output: self.output() }
    }

    /// Waits until it ends by itself and well.
    ///
    /// # Panics
    ///
    /// When it does not end, or with another exit status than 0.
    pub fn succeed(self) {
        let name = self.name.clone();
        let Finished { status, output } = self.finish();
        assert!(status.success(), "{name}: {status}\n{output}");
    }

    /// Ends it now.
    pub fn end(self) {
        drop(self);
    }

    /// Sends it a signal by name, as `TERM`.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("kill");
        assert!(status.success(), "cannot send {name} to {}", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only where it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a program listens at a UDP port of IPv4.
///
/// # Panics
///
/// When none does.
pub fn await_listener(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    let listens = || {
        let table =
            fs::read_to_string("/proc/thread-self/net/udp").expect("the kernel's table of sockets");
        table.contains(&format!(":{port:04X} 00000000:0000 07"))
    };
    while !listens() {
        assert!(Instant::now() < deadline, "nobody listens at port {port}");
        thread::sleep(Duration::from_millis(20));
    }
}
