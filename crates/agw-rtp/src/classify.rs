//! Which protocol a datagram on a media port belongs to (RFC 7983 §7, RFC 5761 §4).

/// The protocol of a datagram, told from its first two octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketKind {
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// STUN (RFC 8489), first octet 0 to 3.
    Stun,
    /// ZRTP (RFC 6189), first octet 16 to 19.
    Zrtp,
    /// DTLS (RFC 9147), first octet 20 to 63.
    Dtls,
    /// TURN channel data (RFC 8656), first octet 64 to 79.
    TurnChannel,
    /// None of the above, or shorter than two octets.
    Unknown,
}

/// Tells the protocol of a datagram on a port that may carry RTP and RTCP together.
///
/// RTP and RTCP differ in the second octet: 192 to 223 is an RTCP packet type, which is why RTP
/// payload types 64 to 95 cannot be used with multiplexing (RFC 5761 §4).
///
/// ```
/// use agw_rtp::{PacketKind, classify};
/// assert_eq!(classify(&[0x80, 8]), PacketKind::Rtp);
/// assert_eq!(classify(&[0x80, 200]), PacketKind::Rtcp);
/// assert_eq!(classify(&[]), PacketKind::Unknown);
/// ```
#[must_use]
pub const fn classify(datagram: &[u8]) -> PacketKind {
    let [first, second, ..] = *datagram else {
        return PacketKind::Unknown;
    };
    match first {
        0..=3 => PacketKind::Stun,
        16..=19 => PacketKind::Zrtp,
        20..=63 => PacketKind::Dtls,
        64..=79 => PacketKind::TurnChannel,
        //= tests/spec/relay.md#demultiplexing
        //# On a multiplexed port RTCP MUST be told from RTP by its packet type before any
        //# cryptography.
        128..=191 if matches!(second, 192..=223) => PacketKind::Rtcp,
        128..=191 => PacketKind::Rtp,
        _ => PacketKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= tests/spec/relay.md#demultiplexing
    //= type=test
    //# On a multiplexed port RTCP MUST be told from RTP by its packet type before any cryptography.
    #[test]
    fn every_first_two_octets_have_the_kind_of_rfc_7983_and_5761() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let expected = match first {
                    0..=3 => PacketKind::Stun,
                    16..=19 => PacketKind::Zrtp,
                    20..=63 => PacketKind::Dtls,
                    64..=79 => PacketKind::TurnChannel,
                    128..=191 if (192..=223).contains(&second) => PacketKind::Rtcp,
                    128..=191 => PacketKind::Rtp,
                    _ => PacketKind::Unknown,
                };
                assert_eq!(classify(&[first, second, 0]), expected, "{first} {second}");
            }
        }
    }

    #[test]
    fn runts_are_unknown() {
        assert_eq!(classify(&[]), PacketKind::Unknown);
        assert_eq!(classify(&[0x80]), PacketKind::Unknown);
    }
}
