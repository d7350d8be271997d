//! The XDP program: loaded, given its sockets, attached to an interface.
//!
//! It knows the kernel's BPF calls and which frames are media. It does not know rings or frames'
//! memory: a socket is a descriptor here. Start at [`Program::load`].

mod assembler;
mod filter;
mod kernel;
#[cfg(test)]
mod tests;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

pub(crate) use filter::RealmFilter;

/// Where in the receive path the program is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachMode {
    /// In the driver, before the kernel makes a packet of a frame.
    Native,
    /// Behind the driver, for every interface: slower, and never without a copy.
    Generic,
    /// Native if the driver can, else generic.
    Auto,
}

/// Where it does run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachedMode {
    /// In the driver.
    Native,
    /// Behind the driver.
    Generic,
}

impl AttachedMode {
    /// `native` or `generic`, for messages and labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// A loaded program with its map of sockets, for one interface.
///
/// The descriptors are all that holds it in the kernel: there is nothing to clean up after a crash.
#[derive(Debug)]
pub(crate) struct Program {
    code: OwnedFd,
    sockets: OwnedFd,
}

/// A program at work on an interface; dropping it takes the program off.
#[derive(Debug)]
pub(crate) struct Attached {
    _link: OwnedFd,
    mode: AttachedMode,
    refusal: Option<io::Error>,
}

impl Program {
    /// Loads the program for these realms and an empty map for the sockets of `queues` queues.
    ///
    /// # Errors
    /// `PermissionDenied` with the capabilities it takes, `InvalidInput` for more than 256 realms
    /// or no queue; else the kernel's, with what the verifier said.
    pub(crate) fn load(filter: &[RealmFilter], queues: u32) -> io::Result<Self> {
        if queues == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an interface has queues"));
        }
        let sockets = kernel::create_socket_map(queues)
            .map_err(|error| explained(&error, "cannot create the map of AF_XDP sockets", ""))?;
        let Some(code) = filter::assemble(filter, sockets.as_raw_fd()) else {
            let text = format!("more than {} addresses on one interface", filter::MOST_REALMS);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let code = kernel::load(&code)
            .map_err(|(error, log)| explained(&error, "cannot load the XDP program", &log))?;
        Ok(Self { code, sockets })
    }

    /// Hands the frames of a receive queue to a socket. Closing the socket ends that.
    ///
    /// # Errors
    /// The kernel's: `E2BIG` for a queue that the program was not loaded for.
    pub(crate) fn register(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        kernel::put_socket(self.sockets.as_fd(), queue, socket).map_err(|error| {
            let what = format!("cannot register the AF_XDP socket of queue {queue}");
            explained(&error, &what, "")
        })
    }

    /// Gives the frames of a receive queue back to the kernel, as closing its socket does.
    #[cfg(test)]
    pub(crate) fn unregister(&self, queue: u32) -> io::Result<()> {
        kernel::remove_socket(self.sockets.as_fd(), queue)
    }

    /// Puts the program to work on an interface, by its index.
    ///
    /// # Errors
    /// `ResourceBusy` if another program is at work there; with [`AttachMode::Native`] the
    /// driver's refusal.
    pub(crate) fn attach(&self, interface: u32, mode: AttachMode) -> io::Result<Attached> {
        let code = self.code.as_fd();
        let native = match mode {
            AttachMode::Generic => None,
            AttachMode::Native | AttachMode::Auto => {
                Some(kernel::attach(code, interface, kernel::NATIVE))
            }
        };
        let refusal = match native {
            Some(Ok(link)) => {
                return Ok(Attached { _link: link, mode: AttachedMode::Native, refusal: None });
            }
            Some(Err(error)) if mode == AttachMode::Native || !is_of_the_driver(&error) => {
                return Err(not_attached(&error, "native"));
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let link = kernel::attach(code, interface, kernel::GENERIC)
            .map_err(|error| not_attached(&error, "generic"))?;
        Ok(Attached { _link: link, mode: AttachedMode::Generic, refusal })
    }
}

impl Attached {
    /// Where it runs.
    pub(crate) fn mode(&self) -> AttachedMode {
        self.mode
    }

    /// Why [`AttachMode::Auto`] came to be generic.
    pub(crate) fn native_refusal(&self) -> Option<&io::Error> {
        self.refusal.as_ref()
    }
}

/// Whether the driver cannot or will not, rather than somebody being in the way.
fn is_of_the_driver(error: &io::Error) -> bool {
    !matches!(
        error.raw_os_error(),
        Some(libc::EPERM | libc::EBUSY | libc::EEXIST | libc::ENODEV | libc::EBADF)
    )
}

/// What was tried, the kernel's word, and what to do about it.
fn explained(error: &io::Error, what: &str, log: &str) -> io::Error {
    let advice = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if log.is_empty() => {
            "; it takes the capabilities CAP_BPF and CAP_NET_ADMIN (before Linux 5.11 also a \
             locked-memory limit that is high enough)"
        }
        Some(libc::ENOSYS) => "; this kernel has no bpf(2)",
        Some(_) | None => "",
    };
    let verifier = if log.is_empty() { String::new() } else { format!("; the verifier: {log}") };
    io::Error::new(error.kind(), format!("{what}: {error}{advice}{verifier}"))
}

/// The same for an interface.
fn not_attached(error: &io::Error, mode: &str) -> io::Error {
    let what = format!("cannot attach the XDP program in {mode} mode");
    let (kind, advice) = match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => {
            let advice = "another XDP program is attached to the interface (`ip link` names it)";
            (io::ErrorKind::ResourceBusy, advice)
        }
        // What the kernel says is "invalid argument".
        Some(libc::ENODEV | libc::EINVAL) if mode == "generic" => {
            (error.kind(), "there is no such interface in this network namespace")
        }
        Some(errno) if errno != libc::EPERM && mode == "native" => {
            let advice = "the driver cannot, or not with this MTU or these offloads; generic mode \
                          works with every driver";
            (error.kind(), advice)
        }
        Some(_) | None => return explained(error, &what, ""),
    };
    io::Error::new(kind, format!("{what}: {error}; {advice}"))
}
