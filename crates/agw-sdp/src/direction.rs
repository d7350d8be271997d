//! Who sends and who receives on a stream (RFC 3264 §5.1, §6.1), and what that makes of gates.

use agw_context::StreamMode;

use crate::description::{Connection, MediaDescription, SessionDescription};

/// What the author of a media line does on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) sends: bool,
    pub(crate) receives: bool,
}

impl Flow {
    const NAMES: [(&str, Self); 4] = [
        ("sendrecv", Self { sends: true, receives: true }),
        ("sendonly", Self { sends: true, receives: false }),
        ("recvonly", Self { sends: false, receives: true }),
        ("inactive", Self::NONE),
    ];
    /// Nothing either way.
    pub(crate) const NONE: Self = Self { sends: false, receives: false };

    /// As a media line says, else its session, else both ways; an address that is nowhere
    /// receives nothing (RFC 3264 §8.4).
    pub(crate) fn of(description: &SessionDescription, media: &MediaDescription) -> Self {
        if media.port == 0 {
            return Self::NONE;
        }
        let named = |name: &(&str, Self)| {
            let (name, flow) = *name;
            media.has(name).then_some(flow)
        };
        let of_session = |name: &(&str, Self)| {
            let (name, flow) = *name;
            description.session.iter().any(|line| line.is_attribute(name)).then_some(flow)
        };
        let said = Self::NAMES.iter().find_map(named);
        let said = said.or_else(|| Self::NAMES.iter().find_map(of_session));
        let flow = said.unwrap_or(Self { sends: true, receives: true });
        let reachable = !description.connection(media).is_none_or(Connection::is_nowhere);
        Self { receives: flow.receives && reachable, ..flow }
    }

    /// The gates towards this author, whose peer does `other`.
    pub(crate) const fn mode_with(self, other: Self) -> StreamMode {
        match (self.sends && other.receives, self.receives && other.sends) {
            (true, true) => StreamMode::SendReceive,
            (true, false) => StreamMode::ReceiveOnly,
            (false, true) => StreamMode::SendOnly,
            (false, false) => StreamMode::Inactive,
        }
    }
}
