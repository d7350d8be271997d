//! What a captured datagram says about itself in the clear.

/// A datagram that arrived at a peer.
pub(super) struct Sealed {
    /// The peer's port.
    pub(super) port: u16,
    /// The packet index as a receiver that knows nothing else estimates it.
    pub(super) index: u64,
    pub(super) octets: Vec<u8>,
}

/// SRTP or SRTCP, or their plain counterparts.
pub(super) enum Kind {
    Srtp { ssrc: u32, sequence: u16 },
    Srtcp { ssrc: u32 },
}

/// Tells SRTP and SRTCP apart as RFC 5761 §4 does; nothing else is looked at.
pub(super) fn kind(octets: &[u8]) -> Option<Kind> {
    let header = octets.first_chunk::<12>();
    match octets {
        [first, second, _, _, a, b, c, d, ..]
            if first >> 6 == 2 && (192..=223).contains(second) =>
        {
            Some(Kind::Srtcp { ssrc: u32::from_be_bytes([*a, *b, *c, *d]) })
        }
        [first, ..] if first >> 6 == 2 => header.map(|[_, _, s, t, _, _, _, _, a, b, c, d]| {
            let sequence = u16::from_be_bytes([*s, *t]);
            Kind::Srtp { ssrc: u32::from_be_bytes([*a, *b, *c, *d]), sequence }
        }),
        _ => None,
    }
}

/// The index nearest to the highest one with this sequence number (RFC 3711 §3.3.1).
pub(super) fn estimate(highest: u64, sequence: u16) -> u64 {
    let same = highest & !0xFFFF | u64::from(sequence);
    let candidates = [same.checked_sub(1 << 16), Some(same), Some(same + (1 << 16))];
    let nearest = candidates.into_iter().flatten().min_by_key(|index| index.abs_diff(highest));
    nearest.unwrap_or(same)
}

/// Destination port and payload of a UDP datagram.
pub(super) fn taken_apart(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let ([_, _, a, b, ..], payload) = datagram.split_first_chunk::<8>()?;
    Some((u16::from_be_bytes([*a, *b]), payload))
}
