//! Whatever a packet makes a leg remember for the first time finds its room made.

use std::time::Duration;

use agw_relay::{
    Command, Datagram, DropReason, EgressCrypto, EgressId, IngressCrypto, IngressId, MAX_BATCH,
    PortId, Refusal, Relay, Transport, Verdict,
};
use agw_srtp::{
    EgressKey, IngressKey, Mki, Portable, Protector, RocOnRekey, SessionParameters, Suite,
};

use crate::support::{
    ACCESS, ACCESS_RTCP, ACCESS_RTP, CORE, CORE_RTCP_PORT, CORE_RTP, Call, EGRESS_SEED, FAR,
    INGRESS_SEED, UE, UE_RTCP, at, legs, master, receiver_report, rtp,
};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const PARAMETERS: SessionParameters = SessionParameters {
    unencrypted_srtp: false,
    unencrypted_srtcp: false,
    window: 128,
    max_sources: 64,
};

/// A call whose keys serve 64 sources each way, under keys with identifiers on the access leg.
fn call() -> Call {
    let (relay, now) = legs(Transport::Secured, Transport::Plain);
    let mut call = Call { relay, now, ..Call::new(SUITE) };
    call.ue_out = phone(INGRESS_SEED);
    let (roc, overlap) = (RocOnRekey::Keep, Duration::ZERO);
    let keys = vec![IngressKey { mki: mki(INGRESS_SEED), ..IngressKey::new(key(INGRESS_SEED)) }];
    let install = IngressCrypto::Install { keys, parameters: PARAMETERS, roc, overlap };
    call.command(Command::IngressCrypto(IngressId(ACCESS), install));
    let keys = vec![EgressKey::new(key(EGRESS_SEED))];
    let install = EgressCrypto::Install { keys, parameters: PARAMETERS, roc };
    call.command(Command::EgressCrypto(EgressId(ACCESS), install));
    call
}

fn key(seed: u8) -> agw_srtp::MasterKey {
    master(SUITE, seed)
}

fn mki(octet: u8) -> Option<Mki> {
    Some(Mki::new(&[octet]).unwrap())
}

/// What the phone seals with, under a key with an identifier.
fn phone(seed: u8) -> Protector<<Portable as agw_srtp::Engine>::Keys> {
    let keys = vec![EgressKey { mki: mki(seed), ..EgressKey::new(key(seed)) }];
    Protector::new(&Portable, keys, PARAMETERS, 0).unwrap()
}

/// What arrives: where, from whom, which octets.
type Arrival = (PortId, &'static str, Vec<u8>);

/// Takes one batch through and tells how often memory was allocated, with what became of each.
fn measured(
    call: &mut Call,
    arrivals: &[Arrival],
    truncated: &[usize],
) -> (u64, Vec<Option<DropReason>>) {
    assert!(arrivals.len() <= MAX_BATCH);
    let mut slots: Vec<Vec<u8>> = arrivals
        .iter()
        .map(|(.., octets)| [octets.as_slice(), &[0; agw_srtp::MAX_TRAILER]].concat())
        .collect();
    let mut batch: Vec<Datagram<'_>> = slots
        .iter_mut()
        .zip(arrivals)
        .enumerate()
        .map(|(place, (slot, (port, source, octets)))| Datagram {
            port: *port,
            source: at(source),
            slot,
            len: octets.len(),
            traffic_class: 0,
            truncated: truncated.contains(&place),
            verdict: Verdict::Drop(DropReason::NoFlow),
        })
        .collect();
    let (relay, now) = (&mut call.relay, call.now);
    let allocations = allocation_counter::measure(|| relay.handle_batch(&mut batch, now));
    let reason = |datagram: &Datagram<'_>| match datagram.verdict {
        Verdict::Drop(reason) => Some(reason),
        Verdict::Forward { .. } => None,
        Verdict::FanOut(_) | Verdict::Kept => panic!("neither groups nor buffers here"),
    };
    let outcome = batch.iter().map(reason).collect();
    relay.make_room();
    (allocations.count_total, outcome)
}

//= tests/spec/relay.md#accounting
//= type=test
//# No packet MUST allocate memory, whatever arrives.
#[test]
fn no_source_costs_an_allocation_however_many_come_at_once() {
    let mut call = call();
    let up: Vec<Arrival> =
        (1..=64).map(|ssrc| (ACCESS_RTP, UE, call.seal(&rtp(ssrc, 1, b"up")))).collect();
    assert_eq!(measured(&mut call, &up, &[]), (0, vec![None; 64]));
    let down: Vec<Arrival> = (1..=64).map(|ssrc| (CORE_RTP, CORE, rtp(ssrc, 1, b"down"))).collect();
    assert_eq!(measured(&mut call, &down, &[]), (0, vec![None; 64]));

    // One source after the other, RTCP first: its window is another one.
    let mut call = self::call();
    for ssrc in 1..=64 {
        let report = call.seal_rtcp(&receiver_report(ssrc));
        let media = call.seal(&rtp(ssrc, 1, b"up"));
        let up = [(ACCESS_RTCP, UE_RTCP, report), (ACCESS_RTP, UE, media)];
        assert_eq!(measured(&mut call, &up, &[]), (0, vec![None; 2]), "{ssrc}");
        let down = [(CORE_RTP, CORE, rtp(ssrc, 1, b"down"))];
        assert_eq!(measured(&mut call, &down, &[]), (0, vec![None]), "{ssrc}");
    }
    let crypto = call.relay.ingress(IngressId(ACCESS)).unwrap().crypto.unwrap();
    assert_eq!(crypto.sources.len(), 64);
}

#[test]
fn no_first_drop_for_a_reason_costs_an_allocation() {
    use DropReason as Why;

    let mut call = call();
    let genuine = call.seal(&rtp(7, 300, b"genuine"));
    let old = rtp(7, 100, b"x");
    let mut forged = genuine.clone();
    *forged.last_mut().unwrap() ^= 1;
    forged[3] += 1;
    let mut of_another_key = forged.clone();
    let identifier = of_another_key.len() - SUITE.srtp_tag_len() - 1;
    of_another_key[identifier] ^= 0x80;
    let late = [&old[..], &genuine[12..]].concat();
    let cases: [(Arrival, Option<Why>); 11] = [
        ((ACCESS_RTP, UE, genuine.clone()), None),
        ((ACCESS_RTP, UE, genuine.clone()), Some(Why::TooLong)),
        ((ACCESS_RTP, UE, vec![0; 20]), Some(Why::NotMedia)),
        ((ACCESS_RTP, UE, genuine[..11].to_vec()), Some(Why::Malformed)),
        ((ACCESS_RTP, UE, receiver_report(7)), Some(Why::WrongComponent)),
        ((ACCESS_RTP, UE, forged), Some(Why::Authentication)),
        ((ACCESS_RTP, UE, of_another_key), Some(Why::UnknownMki)),
        ((CORE_RTP, UE, rtp(9, 1, b"bled")), Some(Why::WrongSource)),
        ((CORE_RTP, CORE, vec![0; 20]), Some(Why::NotMedia)),
        ((CORE_RTCP_PORT, CORE, rtp(9, 1, b"x")), Some(Why::WrongComponent)),
        ((PortId(9), CORE, rtp(9, 1, b"x")), Some(Why::NoFlow)),
    ];
    let (arrivals, reasons): (Vec<Arrival>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(measured(&mut call, &arrivals, &[1]), (0, reasons));
    let arrivals = [(ACCESS_RTP, UE, genuine), (ACCESS_RTP, UE, late)];
    let reasons = vec![Some(Why::Replay), Some(Why::TooOld)];
    assert_eq!(measured(&mut call, &arrivals, &[]), (0, reasons));
    let ingress = call.relay.ingress(IngressId(ACCESS)).unwrap().stats;
    assert_eq!((ingress.dropped.total(), ingress.received.packets), (8, 9));
    assert!([Why::TooLong, Why::TooOld].iter().all(|why| ingress.dropped.of(*why) == 1));
}

#[test]
fn a_key_that_its_first_packet_puts_in_force_costs_no_allocation() {
    const STAGED: u8 = 9;

    let mut call = call();
    let staged = IngressKey { mki: mki(STAGED), ..IngressKey::new(key(STAGED)) };
    let stage = IngressCrypto::Stage(staged, 1);
    call.command(Command::IngressCrypto(IngressId(ACCESS), stage));
    let before = call.seal(&rtp(7, 1, b"old"));
    let mut phone = phone(STAGED);
    std::mem::swap(&mut call.ue_out, &mut phone);
    let first = call.seal(&rtp(7, 2, b"new"));
    let arrivals = [(ACCESS_RTP, UE, before), (ACCESS_RTP, UE, first)];
    assert_eq!(call.relay.poll_timeout(), None);
    assert_eq!(measured(&mut call, &arrivals, &[]), (0, vec![None; 2]));

    // The replaced key has an end, which is watched.
    let due = call.relay.poll_timeout().unwrap();
    assert!(due > call.now);
    (call.now, call.ue_out) = (due, phone);
    call.relay.handle_timeout(due);
    let late = call.seal(&rtp(7, 3, b"late"));
    let (_, outcome) = measured(&mut call, &[(ACCESS_RTP, UE, late)], &[]);
    assert_eq!(outcome, [Some(DropReason::UnknownMki)]);
}

#[test]
fn no_first_datagram_that_the_kernel_refuses_costs_an_allocation() {
    let mut call = call();
    let (relay, now): (&mut Relay<_>, _) = (&mut call.relay, call.now);
    let allocations = allocation_counter::measure(|| {
        for leg in [ACCESS, FAR] {
            for refusal in Refusal::ALL {
                relay.handle_send_refused(EgressId(leg), refusal, 1_500, now);
            }
        }
    });
    assert_eq!(allocations.count_total, 0);
    let refused = relay.egress(EgressId(FAR)).unwrap().stats.refused;
    assert_eq!(refused, Refusal::ALL.len() as u64);
}
