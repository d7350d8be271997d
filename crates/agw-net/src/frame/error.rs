//! Why a frame is not a datagram of ours.

/// Why a frame was not taken or not written. The XDP program keeps most of these from a worker:
/// what arrives all the same is counted and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Shorter than its headers say, or than the headers themselves.
    Truncated,
    /// Neither IPv4 nor IPv6 behind the Ethernet header and at most one tag.
    NotIp,
    /// IPv4 options, or an IPv6 extension header, or a transport other than UDP.
    NotPlainUdp,
    /// A fragment, first or later.
    Fragment,
    /// The IPv4 header's own checksum is wrong, or UDP over IPv6 has none (RFC 8200 section 8.1).
    Checksum,
    /// Comes from an address that nobody can be answered at: unspecified, multicast, broadcast.
    Source,
    /// To be written with addresses of two families.
    Families,
}
