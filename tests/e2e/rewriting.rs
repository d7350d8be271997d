//! A stream that looks like one to its receiver, whoever sends it.

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;
use agw_tests::packet::{rtp, rtp_at};
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api, terminations};

use crate::far_end::{FAR, FarEnd};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// What the far end hears everything under.
const STREAM: u32 = 0x5EED_0001;

/// The SSRC of what takes over.
const NEW: u32 = 0xC0C0_0001;

/// A plain leg before a far end that hears one stream.
struct Rig {
    gateway: Gateway,
    context: u32,
    core: Endpoint,
    far: FarEnd,
}

impl Rig {
    fn new(ssrc: u32) -> Option<Self> {
        let gateway = Gateway::start();
        let [k1, k2] = [(); 2].map(|()| Key::random(SUITE));
        let (mut far, stream) = FarEnd::new(Side::Access.peer(), &k1, &k2)?;
        let rewrite_sources = Some(pb::RewriteSources { enable: true, ssrc });
        let stream = pb::Stream { rewrite_sources, ..stream };
        let Leg { endpoint: mut core, stream: of_core } = Leg::plain(Side::Core.peer());
        let commands = api::call(vec![stream], vec![of_core]);
        let replies = gateway.wait(gateway.iq.transact(commands)).expect("a call");
        let [first, second] = terminations(&replies).try_into().expect("two terminations");
        far.endpoint.attach(&first.streams[0]);
        core.attach(&second.streams[0]);
        Some(Self { context: first.context_id, gateway, core, far })
    }

    /// Sends a packet that arrives as the stream's `sequence`, and returns its header's marker.
    fn says(&mut self, from_third: Option<&mut Endpoint>, packet: &[u8], sequence: u16) -> bool {
        from_third.unwrap_or(&mut self.core).send(packet);
        let heard = self.far.receive();
        assert_eq!(heard[8..12], STREAM.to_be_bytes());
        assert_eq!(heard[2..4], sequence.to_be_bytes());
        assert_eq!(heard[12..], packet[12..], "the payload is as it was sent");
        heard[1] & 0x80 != 0
    }

    /// The far end's stream, as audited.
    fn audited(&self) -> pb::StreamInfo {
        let request = pb::AuditValueRequest {
            context_id: self.context,
            include_statistics: true,
            ..pb::AuditValueRequest::default()
        };
        let audit = self.gateway.wait(self.gateway.iq.audit(request)).expect("an audit");
        audit.contexts[0].terminations[0].streams[0].clone()
    }

    fn sources(&self) -> Vec<(u32, u32)> {
        let stream = self.audited();
        let egress = stream.statistics.expect("statistics").egress.expect("an egress");
        let sources = egress.crypto.expect("keys").sources;
        sources.iter().map(|source| (source.ssrc, source.roc)).collect()
    }
}

//= tests/spec/relay.md#rewriting
//= type=test
//# A rewritten stream MUST leave under one SSRC, whatever its source.
//= tests/spec/relay.md#rewriting
//= type=test
//# Sequence numbers of a rewritten stream MUST go on without a gap when the source changes.
#[test]
fn a_receiver_takes_restarts_and_new_sources_for_one_stream_over_three_wraps() {
    let Some(mut rig) = Rig::new(STREAM) else { return };
    // Up to rollover counter 3 in steps that are no restart.
    let mut index = 60_000_u64;
    while index < 3 * 65_536 + 60_000 {
        index += 2_999;
        rig.says(None, &rtp_at(Call::CORE, index), index as u16);
    }
    let next = |by: u64| (index + by) as u16;

    assert!(rig.says(None, &rtp(NEW, 7, 1), next(1)), "the first one of a source is marked");
    assert!(!rig.says(None, &rtp(NEW, 8, 2), next(2)));
    // A source that starts anew is believed at its second packet.
    rig.core.send(&rtp(NEW, 30_000, 3));
    let _ = rig.gateway.ledger().after_drops("sequence_jump", 1);
    assert!(rig.says(None, &rtp(NEW, 30_001, 4), next(3)));
    // What comes late of the source before would take a number that is gone.
    rig.core.send(&rtp_at(Call::CORE, index + 1));
    let _ = rig.gateway.ledger().after_drops("other_source", 1);
    assert!(!rig.says(None, &rtp(NEW, 30_002, 5), next(4)));

    assert_eq!(rig.far.roc(STREAM), (index >> 16) as u32);
    assert_eq!(rig.sources(), [(STREAM, (index >> 16) as u32)], "one source under the key");
    let stream = rig.audited();
    assert_eq!(stream.rewrite_sources, Some(pb::RewriteSources { enable: true, ssrc: STREAM }));
    let state = stream.statistics.and_then(|both| both.egress?.rewrite).expect("a state");
    let expected = pb::RewriteState { ssrc: STREAM, source_ssrc: Some(NEW), source_changes: 2 };
    assert_eq!(state, expected);
    // The other direction is left alone.
    let packet = rig.far.send(1);
    assert_eq!(rig.core.receive(), packet);
}

//= tests/spec/relay.md#rewriting
//= type=test
//# Of several sources that feed a rewritten stream only one MUST have it at a time.
#[test]
fn a_leg_takes_over_with_the_same_source_and_lower_numbers() {
    let Some(mut rig) = Rig::new(STREAM) else { return };
    for number in 1_000..1_010 {
        rig.says(None, &rtp(Call::CORE, number, number.into()), number);
    }
    let Leg { endpoint: mut third, stream } = Leg::plain(Side::Core.peer());
    let reserve = pb::Reserve { context_id: rig.context, ..api::reserve("core", vec![stream]) };
    let feeds = api::topology(rig.context, vec![api::associated(3, 1, pb::Relation::OneWay)]);
    let commands = vec![Command::Reserve(reserve), Command::SetTopology(feeds)];
    let replies = rig.gateway.wait(rig.gateway.iq.transact(commands)).expect("a third leg");
    third.attach(&terminations(&replies)[0].streams[0]);

    // The leg that talks has the stream.
    third.send(&rtp(Call::CORE, 1, 1));
    let _ = rig.gateway.ledger().after_drops("other_source", 1);
    rig.says(None, &rtp(Call::CORE, 1_010, 1), 1_010);

    let isolated = api::associated(2, 1, pb::Relation::Isolate);
    let both_ways = api::associated(3, 1, pb::Relation::BothWay);
    let topology = api::topology(rig.context, vec![isolated, both_ways]);
    let release = pb::Release { context_id: rig.context, termination_id: 2, ..Default::default() };
    let commands = vec![Command::SetTopology(topology), Command::Release(release)];
    rig.gateway.wait(rig.gateway.iq.transact(commands)).expect("a switch");

    for number in 2..300 {
        let packet = rtp(Call::CORE, number, number.into());
        let marked = rig.says(Some(&mut third), &packet, 1_009 + number);
        assert_eq!(marked, number == 2);
    }
    assert_eq!(rig.sources(), [(STREAM, 0)]);
    assert!(rig.far.endpoint.is_silent());
}

/// An RTCP packet of words behind its header.
fn words(count: u8, packet_type: u8, words: &[u32]) -> Vec<u8> {
    let mut octets = vec![0x80 | count, packet_type, 0, u8::try_from(words.len()).unwrap()];
    octets.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    octets
}

//= tests/spec/relay.md#rewriting
//= type=test
//# RTCP of a rewritten stream MUST name the SSRC of the stream as its sender.
//= tests/spec/relay.md#rewriting
//= type=test
//# A report block about a rewritten stream MUST reach its source in the source's own numbers.
#[test]
fn rtcp_fits_the_stream_in_both_directions() {
    let Some(mut rig) = Rig::new(STREAM) else { return };
    rig.says(None, &rtp(Call::CORE, 500, 1), 500);
    rig.says(None, &rtp(NEW, 9, 2), 501);

    // 172 octets of packet are 160 of payload.
    let report = words(0, 200, &[NEW, 0xAAAA, 0xBBBB, 9 * 160, 1, 160]);
    let bye = words(1, 203, &[NEW]);
    rig.core.send_control(&[&report[..], &bye].concat());
    let heard = rig.far.receive_control();
    assert_eq!(heard[..16], words(0, 200, &[STREAM, 0xAAAA, 0xBBBB, 0, 0, 0])[..16]);
    assert_eq!(heard[20..], words(0, 200, &[0, 0, 0, 0, 2, 320])[20..], "the goodbye is gone");

    let of_stream = [FAR, STREAM, 0, 501, 3, 0xAAAA_BBBB, 7];
    rig.far.send_control(&words(1, 201, &of_stream));
    let of_source = [FAR, NEW, 0, 9, 3, 0xAAAA_BBBB, 7];
    assert_eq!(rig.core.receive_control(), words(1, 201, &of_source));
    rig.far.send_control(&words(1, 205, &[FAR, STREAM, 501 << 16]));
    assert_eq!(rig.core.receive_control(), words(1, 205, &[FAR, NEW, 9 << 16]));
}

#[test]
fn rewriting_begins_and_ends_in_a_call_that_stands() {
    let Some(mut rig) = Rig::new(STREAM) else { return };
    rig.says(None, &rtp(Call::CORE, 70, 1), 70);
    let rewrite = |rig: &Rig, rewrite_sources| {
        let change = pb::StreamChange {
            rewrite_sources: Some(rewrite_sources),
            ..pb::StreamChange::default()
        };
        let configure = api::configure(rig.context, 1, change);
        rig.gateway.wait(rig.gateway.iq.configure(configure)).expect("a change");
    };
    rewrite(&rig, pb::RewriteSources::default());
    let packet = rtp(Call::CORE, 71, 2);
    rig.core.send(&packet);
    assert_eq!(rig.far.receive(), packet);
    assert_eq!(rig.audited().rewrite_sources, None);

    rewrite(&rig, pb::RewriteSources { enable: true, ssrc: STREAM });
    rig.says(None, &rtp(Call::CORE, 3, 3), 71);

    rewrite(&rig, pb::RewriteSources::default());
    rewrite(&rig, pb::RewriteSources { enable: true, ssrc: 0 });
    let chosen = rig.audited().rewrite_sources.expect("a choice").ssrc;
    assert!(![0, STREAM, Call::CORE].contains(&chosen));
}
