//! Every datagram is accounted for, and none costs an allocation.

use agw_relay::{IngressId, RelayStats};
use agw_srtp::Suite;
use proptest::prelude::*;

use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, CORE, CORE_RTCP_PORT, CORE_RTP, Call, FAR, UE, UE_RTCP,
    pass_all, receiver_report, rtp,
};

const PORTS: [agw_relay::PortId; 5] =
    [ACCESS_RTP, ACCESS_RTCP, CORE_RTP, CORE_RTCP_PORT, agw_relay::PortId(9)];

fn is_closed(stats: &RelayStats) -> bool {
    stats.received.packets == stats.forwarded.packets + stats.dropped.total()
}

#[derive(Debug, Clone)]
enum Offer {
    Noise(usize, Vec<u8>),
    Genuine(u16),
    GenuineRtcp,
    Core(u16),
}

fn offers() -> impl Strategy<Value = Vec<Offer>> {
    let octets = prop::collection::vec(any::<u8>(), 0..80);
    let media_like = octets.clone().prop_map(|mut octets| {
        if let Some(first) = octets.first_mut() {
            *first = 0x80 | (*first & 0x3f);
        }
        octets
    });
    let offer = prop_oneof![
        (0..PORTS.len(), octets).prop_map(|(port, octets)| Offer::Noise(port, octets)),
        (0..PORTS.len(), media_like).prop_map(|(port, octets)| Offer::Noise(port, octets)),
        any::<u16>().prop_map(Offer::Genuine),
        Just(Offer::GenuineRtcp),
        any::<u16>().prop_map(Offer::Core),
    ];
    prop::collection::vec(offer, 0..200)
}

proptest! {
    //= tests/spec/relay.md#accounting
    //= type=test
    //# Every datagram received MUST be either forwarded or dropped for one named reason.
    #[test]
    fn received_is_forwarded_plus_dropped_whatever_arrives(offers in offers()) {
        let mut call = Call::new(Suite::AesCm128HmacSha1_80);
        let mut batch = Vec::new();
        for offer in offers {
            batch.push(match offer {
                Offer::Noise(port, octets) => (PORTS[port], UE, octets),
                Offer::Core(sequence) => (CORE_RTP, CORE, rtp(9, sequence, b"x")),
                Offer::GenuineRtcp => (ACCESS_RTCP, UE_RTCP, call.seal_rtcp(&receiver_report(7))),
                Offer::Genuine(sequence) => {
                    let mut slot = rtp(7, sequence, b"x");
                    let len = slot.len();
                    slot.resize(len + 20, 0);
                    let sealed = call.ue_out.protect_srtp(&agw_srtp::Portable, &mut slot, len);
                    slot.truncate(sealed.unwrap_or(len));
                    (ACCESS_RTP, UE, slot)
                }
            });
        }
        let passed = pass_all(&mut call.relay, call.now, &batch);
        let stats = call.relay.stats();
        prop_assert!(is_closed(stats));
        prop_assert_eq!(stats.received.packets, batch.len() as u64);
        let forwarded = passed.iter().filter(|passed| passed.is_ok()).count();
        prop_assert_eq!(stats.forwarded.packets, forwarded as u64);
        for leg in [ACCESS, FAR] {
            let leg = call.relay.ingress(IngressId(leg)).unwrap().stats;
            prop_assert_eq!(leg.received.packets, leg.forwarded.packets + leg.dropped.total());
        }
    }
}

//= tests/spec/relay.md#accounting
//= type=test
//# No packet MUST allocate memory, whatever arrives.
#[test]
fn no_packet_costs_an_allocation() {
    use agw_relay::{Datagram, DropReason, Verdict};

    for suite in Suite::ALL {
        let mut call = Call::new(suite);
        let mut slots: Vec<Vec<u8>> = (0..64u16)
            .map(|n| {
                let up = n % 2 == 0;
                let mut octets =
                    if up { call.seal(&rtp(7, n, b"payload")) } else { rtp(9, n, b"payload") };
                octets.resize(400, 0);
                octets
            })
            .collect();
        let up_len = 12 + 7 + suite.srtp_tag_len();
        let mut batch: Vec<Datagram<'_>> = slots
            .iter_mut()
            .enumerate()
            .map(|(n, slot)| Datagram {
                port: if n % 2 == 0 { ACCESS_RTP } else { CORE_RTP },
                source: crate::support::at(if n % 2 == 0 { UE } else { CORE }),
                slot,
                len: if n % 2 == 0 { up_len } else { 12 + 7 },
                traffic_class: 0,
                truncated: false,
                verdict: Verdict::Drop(DropReason::NoFlow),
            })
            .collect();
        let now = call.now;
        let count =
            allocation_counter::measure(|| call.relay.handle_batch(&mut batch, now)).count_total;
        assert_eq!(count, 0, "{suite:?}");
        assert_eq!(call.relay.stats().forwarded.packets, 64, "{suite:?}");
    }
}
