//! How the gateway comes by UDP ports without knowing sockets.

use agw_relay::PortId;
use thiserror::Error;

use crate::audit::LocalPort;
use crate::id::ContextId;

/// Opens and closes local UDP ports.
pub trait Ports {
    /// Opens a port for a context and tells the number under which the packet path knows it.
    ///
    /// # Errors
    /// [`PortError::InUse`] makes the gateway try another port; the others refuse the command.
    fn open(&mut self, context: ContextId, port: LocalPort) -> Result<PortId, PortError>;

    /// Closes a port that was opened for a transaction that was refused.
    fn close(&mut self, port: PortId);
}

/// Why a port was not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PortError {
    /// Another program has it.
    #[error("the port is in use")]
    InUse,
    /// There are no descriptors left.
    #[error("no descriptors are left")]
    Descriptors,
    /// Anything else, in the operating system's words.
    #[error("{0}")]
    Refused(String),
}
