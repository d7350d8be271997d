//! Several sources that leave as one gapless stream, with RTCP that fits.

use std::time::Duration;

use agw_relay::{
    Command, Datagram, DropReason, EgressExtras, EgressId, EgressSpec, IngressId, IngressSpec,
    PortId, RewriteSnapshot, RewriteSpec, RtcpIngress, Transport, Verdict,
};
use agw_rtp::{RtpHeader, Ssrc};
use agw_srtp::{Portable, Suite};

use crate::support::{
    ACCESS, ACCESS_RTCP, CORE, CORE_RTCP, CORE_RTCP_PORT, CORE_RTP, Call, FAR, UE, UE_RTCP,
    egress_spec, ingress_spec, rtp,
};

const STREAM: u32 = 0x5EED_0001;
const TICK: Duration = Duration::from_millis(20);

/// The leg that takes over from [`FAR`]; it has its peer's address.
const THIRD: u32 = 2;
const THIRD_RTP: PortId = PortId(4);
const THIRD_RTCP: PortId = PortId(5);

/// What the UE reads: SSRC, sequence number, timestamp, marker.
type Heard = Result<(u32, u16, u32, bool), DropReason>;

fn rewriting(leg: u32, transport: Transport, ssrc: u32) -> Command {
    let rewrite = Some(RewriteSpec { ssrc: Ssrc(ssrc), marks: true });
    let extras = Some(Box::new(EgressExtras { rewrite, ..EgressExtras::default() }));
    Command::SetEgress(EgressId(leg), EgressSpec { extras, ..egress_spec(leg, transport) })
}

fn third_feeds(output: Option<EgressId>) -> Command {
    let spec = IngressSpec {
        rtp: THIRD_RTP,
        rtcp: RtcpIngress::Port(THIRD_RTCP),
        output,
        reverse: EgressId(THIRD),
        ..ingress_spec(FAR, Transport::Plain)
    };
    Command::SetIngress(IngressId(THIRD), spec)
}

fn call() -> Call {
    let mut call = Call::new(Suite::AesCm128HmacSha1_80);
    call.command(rewriting(ACCESS, Transport::Secured, STREAM));
    call
}

/// Sends a packet of a source towards the UE, a tick after the one before.
fn send_by(call: &mut Call, port: PortId, ssrc: u32, sequence: u16) -> Heard {
    call.now += TICK;
    let (_, to, octets) = call.pass(port, CORE, &rtp(ssrc, sequence, b"twenty octets of it!"))?;
    assert_eq!(to, UE.parse().unwrap());
    let opened = call.open(&octets);
    assert_eq!(opened[12..], *b"twenty octets of it!");
    let header = RtpHeader::parse(&opened).unwrap();
    Ok((header.ssrc().0, header.sequence().0, header.timestamp(), header.marker()))
}

fn send(call: &mut Call, ssrc: u32, sequence: u16) -> Heard {
    send_by(call, CORE_RTP, ssrc, sequence)
}

const fn unmarked(sequence: u16) -> Heard {
    Ok((STREAM, sequence, sequence as u32 * 160, false))
}

const fn marked(sequence: u16) -> Heard {
    Ok((STREAM, sequence, sequence as u32 * 160, true))
}

//= tests/spec/relay.md#rewriting
//= type=test
//# A rewritten stream MUST leave under one SSRC, whatever its source.
//= tests/spec/relay.md#rewriting
//= type=test
//# Sequence numbers of a rewritten stream MUST go on without a gap when the source changes.
//= tests/spec/relay.md#rewriting
//= type=test
//# Timestamps of a rewritten stream MUST go on when the source changes.
#[test]
fn a_new_source_goes_on_where_the_last_one_ended() {
    let mut call = call();
    for sequence in 100..104 {
        assert_eq!(send(&mut call, 5, sequence), unmarked(sequence));
    }
    assert_eq!(send(&mut call, 6, 65_535), marked(104));
    assert_eq!(send(&mut call, 6, 0).map(|heard| heard.1), Ok(105));
    assert_eq!(send(&mut call, 7, 12).map(|heard| (heard.1, heard.3)), Ok((106, true)));
    let rewrite = call.relay.egress(EgressId(ACCESS)).unwrap().rewrite;
    let expected = RewriteSnapshot { ssrc: Ssrc(STREAM), source: Some(Ssrc(7)), changes: 2 };
    assert_eq!(rewrite, Some(expected));
}

#[test]
fn loss_and_order_within_a_source_stay_as_they_are() {
    let mut call = call();
    assert_eq!(send(&mut call, 5, 10), unmarked(10));
    assert_eq!(send(&mut call, 5, 13), unmarked(13));
    assert_eq!(send(&mut call, 5, 12), unmarked(12));
    assert_eq!(send(&mut call, 5, 12), Err(DropReason::IndexReused));
    assert_eq!(send(&mut call, 6, 500).map(|heard| heard.1), Ok(14));
    assert_eq!(send(&mut call, 6, 503).map(|heard| heard.1), Ok(17));
    assert_eq!(send(&mut call, 6, 501).map(|heard| heard.1), Ok(15));
    // What comes before the change, of either source, would take a number that is gone.
    assert_eq!(send(&mut call, 6, 499), Err(DropReason::OtherSource));
    assert_eq!(send(&mut call, 5, 14), Err(DropReason::OtherSource));
}

#[test]
fn a_restart_is_believed_at_the_second_packet() {
    let mut call = call();
    assert_eq!(send(&mut call, 5, 40_000), unmarked(40_000));
    assert_eq!(send(&mut call, 5, 3), Err(DropReason::SequenceJump));
    assert_eq!(send(&mut call, 5, 40_001), unmarked(40_001));
    assert_eq!(send(&mut call, 5, 3), Err(DropReason::SequenceJump));
    assert_eq!(send(&mut call, 5, 4), marked(40_002));
    assert_eq!(send(&mut call, 5, 5), unmarked(40_003));
}

//= tests/spec/relay.md#rewriting
//= type=test
//# Of several sources that feed a rewritten stream only one MUST have it at a time.
#[test]
fn a_second_leg_waits_until_the_first_is_silent_or_gone() {
    let mut call = call();
    call.command(third_feeds(Some(EgressId(ACCESS))));
    assert_eq!(send(&mut call, 5, 100), unmarked(100));
    assert_eq!(send_by(&mut call, THIRD_RTP, 6, 7), Err(DropReason::OtherSource));
    assert_eq!(send(&mut call, 5, 101), unmarked(101));

    call.now += Duration::from_millis(480);
    assert_eq!(send_by(&mut call, THIRD_RTP, 6, 8), marked(102));
    assert_eq!(send(&mut call, 5, 102), Err(DropReason::OtherSource));

    // It is switched away: the other one has the stream with its next packet.
    call.command(third_feeds(None));
    assert_eq!(send_by(&mut call, THIRD_RTP, 6, 9), Err(DropReason::NoOutput));
    assert_eq!(send(&mut call, 5, 103).map(|heard| (heard.1, heard.3)), Ok((103, true)));
}

#[test]
fn the_same_source_from_another_leg_may_begin_anywhere() {
    let mut call = call();
    assert_eq!(send(&mut call, 5, 1_000), unmarked(1_000));
    let away = IngressSpec { output: None, ..ingress_spec(FAR, Transport::Plain) };
    call.command(Command::SetIngress(IngressId(FAR), away));
    call.command(third_feeds(Some(EgressId(ACCESS))));
    for sequence in 0..200 {
        let heard = send_by(&mut call, THIRD_RTP, 5, sequence);
        assert_eq!(heard.map(|heard| heard.1), Ok(1_001 + sequence));
    }
}

#[test]
fn a_stream_that_is_rewritten_again_goes_on_after_what_was_sealed() {
    let mut call = call();
    assert_eq!(send(&mut call, 5, 2_000), unmarked(2_000));
    call.command(Command::SetEgress(EgressId(ACCESS), egress_spec(ACCESS, Transport::Secured)));
    assert_eq!(send(&mut call, 5, 2_001).map(|heard| heard.0), Ok(5));
    call.command(rewriting(ACCESS, Transport::Secured, STREAM));
    assert_eq!(send(&mut call, 5, 50).map(|heard| heard.1), Ok(2_001));
}

/// An RTCP packet of words behind its header.
fn rtcp(count: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
    let mut octets = vec![0x80 | count, packet_type, 0, u8::try_from(words.len()).unwrap()];
    octets.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    octets
}

/// What the UE reads of RTCP from the core side.
fn control(call: &mut Call, octets: &[u8]) -> Result<Vec<u8>, DropReason> {
    let (_, to, mut sealed) = call.pass(CORE_RTCP_PORT, CORE_RTCP, octets)?;
    assert_eq!(to, UE_RTCP.parse().unwrap());
    let (len, now) = (sealed.len(), call.now);
    let len = call.ue_in.unprotect_srtcp(&Portable, &mut sealed, len, now).unwrap();
    sealed.truncate(len);
    Ok(sealed)
}

/// What the core side reads of RTCP from the UE.
fn answer(call: &mut Call, octets: &[u8]) -> Result<Vec<u8>, DropReason> {
    let sealed = call.seal_rtcp(octets);
    call.pass(ACCESS_RTCP, UE_RTCP, &sealed).map(|(.., octets)| octets)
}

//= tests/spec/relay.md#rewriting
//= type=test
//# RTCP of a rewritten stream MUST name the SSRC of the stream as its sender.
//= tests/spec/relay.md#rewriting
//= type=test
//# A sender report MUST name the RTP timestamp and counts of the stream that has left.
#[test]
fn sender_reports_speak_of_the_stream() {
    let mut call = call();
    send(&mut call, 5, 10).unwrap();
    send(&mut call, 5, 11).unwrap();
    send(&mut call, 6, 500).unwrap();

    let report = rtcp(0, 200, &[6, 0xAAAA, 0xBBBB, 500 * 160, 1, 20]);
    let expected = rtcp(0, 200, &[STREAM, 0xAAAA, 0xBBBB, 12 * 160, 3, 60]);
    assert_eq!(control(&mut call, &report), Ok(expected));

    // What the source before still says has no timestamp in the stream.
    let late = rtcp(0, 200, &[5, 0xAAAA, 0xBBBB, 12 * 160, 2, 40]);
    assert_eq!(control(&mut call, &late), Ok(rtcp(0, 201, &[STREAM])));
}

//= tests/spec/relay.md#rewriting
//= type=test
//# A report block about a rewritten stream MUST reach its source in the source's own numbers.
#[test]
fn reports_about_the_stream_reach_the_source_in_its_own_numbers() {
    let mut call = call();
    send(&mut call, 5, 65_535).unwrap();
    let block = |ssrc, lost, highest, lsr| [9, ssrc, lost, highest, 3, lsr, lsr];
    let of_first = answer(&mut call, &rtcp(1, 201, &block(STREAM, 4, 65_535, 0))).unwrap();
    assert_eq!(of_first, rtcp(1, 201, &block(5, 4, 65_535, 0)));

    send(&mut call, 6, 100).unwrap();
    send(&mut call, 6, 101).unwrap();
    // The receiver counts on: a wrap, four lost before; its last sender report is the other's.
    let report = rtcp(1, 201, &block(STREAM, 0x2000_0005, 0x1_0001, 77));
    assert_eq!(answer(&mut call, &report), Ok(rtcp(1, 201, &block(6, 0x2000_0001, 101, 0))));
    control(&mut call, &rtcp(0, 200, &[6, 1, 2, 3, 4, 5])).unwrap();
    let report = rtcp(1, 201, &block(STREAM, 5, 0x1_0001, 77));
    assert_eq!(answer(&mut call, &report), Ok(rtcp(1, 201, &block(6, 1, 101, 77))));
    // One that has heard nothing of the new source says nothing of it.
    let old = rtcp(1, 201, &block(STREAM, 4, 65_535, 0));
    assert_eq!(answer(&mut call, &old), Ok(rtcp(0, 201, &[9])));
    // A packet that is missing, and a request for a new picture.
    let nack = rtcp(1, 205, &[9, STREAM, 0x0000_0001]);
    assert_eq!(answer(&mut call, &nack), Ok(rtcp(1, 205, &[9, 6, 100 << 16 | 1])));
    let fir = rtcp(4, 206, &[9, 0, STREAM, 7]);
    assert_eq!(answer(&mut call, &fir), Ok(rtcp(4, 206, &[9, 0, 6, 7])));
}

//= tests/spec/relay.md#rewriting
//= type=test
//# A BYE MUST NOT end a rewritten stream.
#[test]
fn a_goodbye_frees_the_stream_and_goes_no_further() {
    let mut call = call();
    call.command(third_feeds(Some(EgressId(ACCESS))));
    send(&mut call, 5, 10).unwrap();
    let report = rtcp(0, 201, &[5]);
    let bye = rtcp(1, 203, &[5]);
    let compound = [&report[..], &bye].concat();
    assert_eq!(control(&mut call, &compound), Ok(rtcp(0, 201, &[STREAM])));
    assert_eq!(control(&mut call, &bye), Err(DropReason::OtherSource));
    assert_eq!(send_by(&mut call, THIRD_RTP, 6, 7).map(|heard| heard.1), Ok(11));
    // RTCP of the leg that lost the stream is not the stream's.
    assert_eq!(control(&mut call, &report), Err(DropReason::OtherSource));
    let malformed = rtcp(1, 201, &[6]);
    assert_eq!(call.pass(THIRD_RTCP, CORE_RTCP, &malformed), Err(DropReason::Malformed));
}

#[test]
fn no_packet_of_a_rewritten_stream_costs_an_allocation() {
    let mut call = call();
    send(&mut call, 5, 1).unwrap();
    control(&mut call, &rtcp(0, 200, &[5, 1, 2, 3, 4, 5])).unwrap();
    for (ssrc, sequence) in [(5, 2), (6, 700), (6, 701), (6, 9), (7, 1)] {
        let report = rtcp(1, 200, &[ssrc, 1, 2, 3, 4, 5, 9, 0, 0, 0, 0, 0]);
        for (port, source, octets) in
            [(CORE_RTP, CORE, rtp(ssrc, sequence, &[7; 160])), (CORE_RTCP_PORT, CORE_RTCP, report)]
        {
            let (mut slot, len) = (octets.clone(), octets.len());
            slot.resize(len + agw_srtp::MAX_TRAILER, 0);
            let (source, verdict) = (source.parse().unwrap(), Verdict::Drop(DropReason::NoFlow));
            let mut batch = [Datagram {
                port,
                source,
                slot: &mut slot,
                len,
                truncated: false,
                traffic_class: 0,
                verdict,
            }];
            let now = call.now;
            let made = allocation_counter::measure(|| call.relay.handle_batch(&mut batch, now));
            // A first drop for a reason makes room for its counter.
            let may = u64::from(matches!(batch[0].verdict, Verdict::Drop(_)));
            assert!(made.count_total <= may, "{ssrc} {sequence}: {}", made.count_total);
        }
    }
}
