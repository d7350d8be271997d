//! Exit codes, after sysexits.h.

use std::io;
use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As it should.
    Success,
    /// The command line or the configuration is wrong.
    Usage,
    /// An address, port or socket is in use.
    Unavailable,
    /// A fault of this program.
    Software,
    /// The operating system refused something it should not refuse.
    System,
    /// The operating system refused for lack of permission.
    Permission,
}

impl Exit {
    /// The number that the parent process sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::System => 71,
            Self::Permission => 77,
        }
    }

    /// The code for what the operating system refused.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Self::Permission
        } else if error.kind() == io::ErrorKind::AddrInUse {
            Self::Unavailable
        } else {
            Self::System
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
