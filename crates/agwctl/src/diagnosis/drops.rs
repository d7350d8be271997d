//! What a reason for drops mostly means to whoever looks for a silent call.

use agw_iq::pb::{DropCount, DropReason};

/// What was dropped since, most first.
pub(super) fn since(before: &[DropCount], now: &[DropCount]) -> Vec<(u64, DropReason)> {
    let earlier = |reason: i32| {
        before.iter().find(|count| count.reason == reason).map_or(0, |count| count.packets)
    };
    let more =
        |count: &DropCount| (count.packets.saturating_sub(earlier(count.reason)), count.reason());
    let mut since: Vec<_> = now.iter().map(more).collect();
    since.sort_by_key(|&(packets, _)| std::cmp::Reverse(packets));
    since
}

/// The reason as in metrics and documents.
pub(super) fn word(reason: DropReason) -> String {
    let name = reason.as_str_name();
    name.strip_prefix("DROP_REASON_").unwrap_or(name).to_lowercase()
}

/// The likely cause, and where to look.
pub(super) const fn meaning(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Unspecified => "a reason that this agwctl does not know",
        DropReason::NoFlow => "the port has no stream",
        DropReason::TooLong => "datagrams longer than a media packet may be",
        DropReason::NotMedia => "neither RTP nor RTCP: ICE, DTLS or noise; the peer expects WebRTC",
        DropReason::Malformed => "headers or lengths are wrong",
        DropReason::WrongComponent => {
            "RTP and RTCP share a port where they should not: the two sides disagree on rtcp-mux"
        }
        DropReason::IngressGate => "the gate of this leg is closed",
        DropReason::EgressGate => "the gate of the other leg is closed",
        DropReason::WrongSource => {
            "from another address than signalled: the peer is behind a NAT and the leg does not \
             latch, or a stranger sends"
        }
        DropReason::NoIngressKey => "the key with which the peer sends was not installed",
        DropReason::UnknownMki => "the peer uses an MKI of no live key",
        DropReason::Replay => "received before: a duplicating network, or an attack",
        DropReason::TooOld => "older than the replay window",
        DropReason::Implausible => "new SSRCs or far jumps faster than they are tried",
        DropReason::Authentication => {
            "the peer seals with another key, suite or rollover counter than was installed, or \
             somebody forges"
        }
        DropReason::Unencrypted => "the E bit of SRTCP is not what was agreed",
        DropReason::SourceLimit => {
            "the peer uses more SSRCs than the leg may hold: install its key with a larger max_sources"
        }
        DropReason::IngressKeyExpired => "the peer's key is used up: re-key",
        DropReason::NoOutput => "the topology connects this leg to no other",
        DropReason::NoDestination => "the address of the other peer is not known yet",
        DropReason::RtcpOff => "RTCP is off on the other leg",
        DropReason::NoEgressKey => "the key with which the other leg sends was not installed",
        DropReason::IndexReused | DropReason::EgressTooOld => {
            "the source repeats sequence numbers or has started anew: sealing them would use a key \
             stream twice"
        }
        DropReason::EgressSourceLimit => {
            "this side uses more SSRCs than the other leg's key may serve: install that key with a \
             larger max_sources"
        }
        DropReason::EgressKeyExpired => "the key of the other leg is used up: re-key",
        DropReason::NoRoom => "too long once sealed",
        DropReason::Policed | DropReason::RtcpPoliced => {
            "the peer sends more than the signalled bandwidth allows, or somebody floods the port"
        }
        DropReason::EgressPoliced => "the other side sends more than this leg's limit",
        DropReason::AuthenticationLimited => {
            "so many tags failed that not every packet is tried: somebody forges"
        }
        DropReason::SsrcCollision => "another member of the group uses the same SSRC",
        DropReason::OtherSource => {
            "the other leg's stream is rewritten, and another source has it at the moment"
        }
        DropReason::PreKeyExpired => {
            "it waited for the key with which the peer sends, and that came too late or not at all"
        }
        DropReason::SequenceJump => "a source of a rewritten stream jumps in its sequence numbers",
    }
}
