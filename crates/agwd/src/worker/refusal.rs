//! The kernel's refusals in the words of the packet path.

use agw_net::{ErrnoClass, SendError};
use agw_relay::Refusal;

/// Why a datagram was not sent, and its octets where they are the reason.
pub(super) const fn refusal(error: SendError) -> (Refusal, usize) {
    match error {
        SendError::TooLong { octets } => (Refusal::TooBig, octets),
        SendError::Errno(class) => (of_class(class), 0),
        SendError::UnknownPort => (Refusal::Other, 0),
    }
}

const fn of_class(class: ErrnoClass) -> Refusal {
    match class {
        ErrnoClass::MessageTooLong => Refusal::TooBig,
        ErrnoClass::ConnectionRefused => Refusal::PortUnreachable,
        // A neighbour that does not answer is asked for until the time for a datagram is up.
        ErrnoClass::HostUnreachable | ErrnoClass::Unresolved => Refusal::HostUnreachable,
        ErrnoClass::NetworkUnreachable => Refusal::NetworkUnreachable,
        ErrnoClass::NetworkDown | ErrnoClass::NoDevice | ErrnoClass::AddressNotAvailable => {
            Refusal::InterfaceDown
        }
        ErrnoClass::NotPermitted | ErrnoClass::AccessDenied => Refusal::Forbidden,
        ErrnoClass::Again | ErrnoClass::NoBuffers | ErrnoClass::NoMemory => Refusal::Congested,
        ErrnoClass::InvalidArgument
        | ErrnoClass::AddressFamily
        | ErrnoClass::Interrupted
        | ErrnoClass::Other => Refusal::Other,
    }
}
