//! Streams that come and go in a call that stands: a re-INVITE that adds video, one that drops it.

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;
use agw_tests::packet::{rtp, rtp_at};
use agw_tests::{Call, Endpoint, Gateway, Key, Side, api, terminations};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const VIDEO: u32 = 2;
const CAMERA: u32 = 0xBBBB_0002;

/// Changes what streams both terminations of a call have.
fn both(
    gateway: &Gateway,
    call: &Call,
    change: impl Fn(u32) -> pb::Configure,
) -> Vec<pb::TerminationReply> {
    let configure = |termination_id| {
        let context_id = call.context;
        Command::Configure(pb::Configure { context_id, termination_id, ..change(termination_id) })
    };
    let commands = vec![configure(1), configure(2)];
    let replies = gateway.wait(gateway.iq.transact(commands)).expect("a change");
    terminations(&replies).into_iter().cloned().collect()
}

/// The stream of a reply with a number.
fn stream(reply: &pb::TerminationReply, number: u32) -> &pb::LocalStream {
    reply.streams.iter().find(|stream| stream.stream_id == number).expect("the stream")
}

/// Video beside the audio of a call: the phone's endpoint and the core's.
fn add_video(gateway: &Gateway, call: &Call) -> [Endpoint; 2] {
    let (ingress, egress) = (Key::random(SUITE), Key::random(SUITE));
    let mut phone = Endpoint::secured(Side::Access.peer(), &ingress, &egress);
    let mut core = Endpoint::plain(Side::Core.peer());
    phone.restart(&ingress, &egress, 3);
    let streams = [
        api::secured(VIDEO, &phone, &ingress.crypto_at(3), &egress.crypto_at(3)),
        api::plain(VIDEO, &core),
    ];
    let replies = both(gateway, call, |termination| {
        let mut video = streams[termination as usize - 1].clone();
        video.media = pb::Media::Video.into();
        pb::Configure { add_streams: vec![video], ..Default::default() }
    });
    phone.attach(stream(&replies[0], VIDEO));
    core.attach(stream(&replies[1], VIDEO));
    [phone, core]
}

/// A packet of the phone's audio, at ROC 3.
fn audio(sequence: u64) -> Vec<u8> {
    rtp_at(Call::ACCESS, (3 << 16) + sequence)
}

//= tests/spec/iq.md#streams
//= type=test
//# Streams that are added to a termination or taken from it MUST leave its other streams as they
//# are.
//= tests/spec/iq.md#streams
//= type=test
//# A stream that is taken from a termination MUST return its final statistics.
#[test]
fn video_comes_and_goes_and_not_one_packet_of_audio_is_lost() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    call.talk();
    // Audio is on its way while the streams change.
    let first: Vec<_> = (100..150).map(audio).collect();
    first.iter().for_each(|packet| call.access.send(packet));

    let [mut phone, mut core] = add_video(&gateway, &call);

    for sequence in 0..20 {
        let packet = rtp(CAMERA, sequence, 0);
        phone.send(&packet);
        assert_eq!(core.receive(), packet, "video inwards");
        core.send(&packet);
        assert_eq!(phone.receive(), packet, "video outwards");
    }
    let second: Vec<_> = (150..200).map(audio).collect();
    second.iter().for_each(|packet| call.access.send(packet));

    let replies = both(&gateway, &call, |_| pb::Configure {
        remove_stream_ids: vec![VIDEO],
        ..Default::default()
    });

    for reply in &replies {
        let [gone] = reply.released.as_slice() else { panic!("{reply:?}") };
        let of = gone.statistics.as_ref().expect("the last statistics");
        let received = of.ingress.as_ref().and_then(|ingress| ingress.received).expect("counts");
        assert_eq!((gone.stream_id, received.packets), (VIDEO, 20));
        assert_eq!(reply.streams.len(), 1);
    }
    for packet in first.iter().chain(&second) {
        assert_eq!(call.core.receive(), *packet, "audio throughout");
    }
    call.talk_outwards();
    phone.send(&rtp(CAMERA, 99, 0));
    call.report();
    assert!(call.is_silent() && core.is_silent());
    let entry = gateway.ledger().read();
    assert!(entry.closes(), "{entry:?}");
}

#[test]
fn what_the_termination_cannot_take_changes_nothing_in_the_call() {
    let gateway = Gateway::with(&["limits.streams=2"]);
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let before = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    let more = Endpoint::plain(Side::Access.peer());
    let add = |numbers: &[u32]| pb::Configure {
        context_id: call.context,
        termination_id: 1,
        add_streams: numbers.iter().map(|number| api::plain(*number, &more)).collect(),
        ..Default::default()
    };
    for (numbers, reason, field) in [
        (&[1][..], "STREAM_EXISTS", "configure.add_streams[0].stream_id"),
        (&[2, 3][..], "FIELD_VALUE", "configure.add_streams"),
        (&[2, 2][..], "FIELD_VALUE", "configure.add_streams[1].stream_id"),
    ] {
        let refused = gateway.wait(gateway.iq.configure(add(numbers))).expect_err("refused");
        let told = (refused.reason.as_deref(), refused.field.as_deref());
        assert_eq!(told, (Some(reason), Some(field)));
    }
    let remove = pb::Configure { remove_stream_ids: vec![1], ..add(&[]) };
    let refused = gateway.wait(gateway.iq.configure(remove)).expect_err("the last stream");
    assert_eq!(refused.field.as_deref(), Some("configure.remove_stream_ids"));
    assert_eq!(gateway.wait(gateway.iq.contexts(false)).expect("an audit"), before);
    call.talk();
}

//= tests/spec/iq.md#generations
//= type=test
//# A command that expects another generation than its context's MUST be refused.
//= tests/spec/iq.md#generations
//= type=test
//# The generation of a context MUST grow with each accepted change and be told with it.
#[test]
fn an_order_that_was_overtaken_by_a_newer_one_does_not_act() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let at = || crate::audited(&gateway, call.context).generation;
    let looked = at();
    // Hold, which is late, and resume, which overtook it.
    let hold =
        pb::StreamChange { mode: pb::StreamMode::Inactive.into(), ..pb::StreamChange::default() };
    let hold =
        pb::Configure { expected_generation: looked, ..api::configure(call.context, 1, hold) };
    let resume = api::gates(call.context, 0, pb::StreamMode::SendReceive);
    gateway.wait(gateway.iq.change_through_connection(resume)).expect("resumed");
    assert_eq!(at(), looked + 1);

    let refused = gateway.wait(gateway.iq.configure(hold.clone())).expect_err("too late");

    assert_eq!(refused.code, tonic::Code::Aborted);
    assert_eq!(refused.reason.as_deref(), Some("GENERATION_MISMATCH"));
    assert_eq!(refused.field.as_deref(), Some("configure.expected_generation"));
    assert_eq!(at(), looked + 1);
    call.talk();
    let now = pb::Configure { expected_generation: looked + 1, ..hold };
    let reply = gateway.wait(gateway.iq.configure(now)).expect("in time");
    assert_eq!(reply.generation, looked + 2);
    let (status, _) =
        gateway.agwctl(&["contexts", "rm", &call.context.to_string(), "--generation", "1"]);
    assert_ne!(status, Some(0), "another generation");
    let now = (looked + 2).to_string();
    let (status, _) =
        gateway.agwctl(&["contexts", "rm", &call.context.to_string(), "--generation", &now]);
    assert_eq!(status, Some(0));
}
