//! Streams that a termination is given and that are taken from it.

use std::time::Duration;

use agw_context::{
    Association, Command, Configure, ContextChoice, GroupId, Policy, Reason, Refused, Relation,
    Reply, SetTopology, StreamId, StreamSpec, TerminationId, TerminationReply, TopologyChange,
};
use agw_relay::{Command as Step, Transport};

use crate::streams::specs;
use crate::support::{World, egress, ingress, stream, termination};

/// A change of what streams there are.
fn change(at: &TerminationReply, added: Vec<StreamSpec>, removed: &[u16]) -> Command {
    Command::Configure(Configure {
        context: at.context,
        termination: at.termination,
        streams: Vec::new(),
        priority: None,
        added,
        removed: removed.iter().copied().map(StreamId).collect(),
    })
}

fn plain(id: u16) -> StreamSpec {
    stream(id, Transport::Plain)
}

fn why(refused: Refused) -> (Reason, String) {
    let field = refused.error.field().unwrap_or_default().to_owned();
    (refused.error.reason(), field)
}

fn numbers(reply: &TerminationReply) -> Vec<u16> {
    reply.streams.iter().map(|stream| stream.id.0).collect()
}

//= tests/spec/iq.md#streams
//= type=test
//# Streams that are added to a termination or taken from it MUST leave its other streams as they
//# are.
#[test]
fn video_comes_and_goes_beside_audio_that_is_not_touched() {
    let mut world = World::new(Policy::default());
    let (access, core) = world.call();
    let before = world.ports.open.len();
    let mut video = stream(2, Transport::Secured);
    (video.ingress, video.egress) = (Some(ingress(40)), Some(egress(41)));
    let both = vec![change(&access, vec![video], &[]), change(&core, vec![plain(2)], &[])];

    let outcome = world.transact(both).unwrap();

    let replies: Vec<_> = outcome.replies.iter().map(termination).collect();
    assert_eq!((numbers(&replies[0]), numbers(&replies[1])), (vec![1, 2], vec![1, 2]));
    assert_eq!(replies[0].streams[0], access.streams[0]);
    let touched = specs(&outcome.work);
    assert_eq!(touched.keys().copied().collect::<Vec<_>>(), [2, 3], "the new legs alone");
    let output = |leg: u32| touched[&leg].0.as_ref().unwrap().output.unwrap().0;
    assert_eq!((output(2), output(3)), (3, 2));
    assert_eq!(world.ports.open.len(), before + 4);

    let outcome = world.transact(vec![change(&access, vec![], &[2])]).unwrap();
    let Reply::Termination(reply) = &outcome.replies[0] else { panic!("{outcome:?}") };
    let gone: Vec<_> = reply.released.iter().map(|gone| (gone.stream, gone.ingress.0)).collect();
    assert_eq!((gone, numbers(reply)), (vec![(StreamId(2), 2)], vec![1]));
    assert_eq!(world.ports.open.len(), before + 2);
    let removed = |step: &Step| matches!(step, Step::RemoveIngress(id) if id.0 == 2);
    assert!(outcome.work[0].steps.iter().any(removed));
    let touched = specs(&outcome.work);
    assert_eq!(touched.keys().copied().collect::<Vec<_>>(), [3], "what fed it goes nowhere");
}

#[test]
fn ports_and_numbers_of_a_stream_that_is_gone_rest_and_its_keys_stay_used() {
    let mut world = World::new(Policy::default());
    let (access, _) = world.call();
    let video = || {
        let mut video = stream(2, Transport::Secured);
        video.egress = Some(egress(41));
        video
    };
    let first = world.transact(vec![change(&access, vec![video()], &[])]).unwrap();
    let first = termination(&first.replies[0]).streams[1];
    world.transact(vec![change(&access, vec![], &[2])]).unwrap();
    world.later(Duration::from_millis(10));

    let again = world.transact(vec![change(&access, vec![video()], &[])]).unwrap_err();
    let field = "add_streams[0].egress_crypto.keys[0]".to_owned();
    assert_eq!(why(again), (Reason::KeyReuse, field));
    // It would open what the gateway has sealed under it.
    let mut reflecting = stream(2, Transport::Secured);
    reflecting.ingress = Some(ingress(41));
    let refused = world.transact(vec![change(&access, vec![reflecting], &[])]).unwrap_err();
    let field = "add_streams[0].ingress_crypto.keys[0]".to_owned();
    assert_eq!(why(refused), (Reason::KeyReuse, field));
    let other = world.transact(vec![change(&access, vec![plain(2)], &[])]).unwrap();
    assert_ne!(termination(&other.replies[0]).streams[1].rtp, first.rtp);
}

//= tests/spec/iq.md#streams
//= type=test
//# A stream that the termination has already MUST be refused.
//= tests/spec/iq.md#streams
//= type=test
//# The last stream of a termination MUST NOT be taken from it.
#[test]
fn what_cannot_be_added_or_removed_is_refused_by_its_place_and_nothing_changes() {
    let policy = Policy { max_streams: 3, ..Policy::default() };
    let mut world = World::new(policy);
    let (access, _) = world.call();
    let before = world.gateway.context(&world.controller, access.context);
    let open = world.ports.open.len();
    for (added, removed, reason, field) in [
        (vec![plain(2), plain(1)], vec![], Reason::StreamExists, "add_streams[1].stream_id"),
        (vec![plain(2), plain(2)], vec![], Reason::StreamExists, "add_streams[1].stream_id"),
        (vec![plain(1)], vec![1], Reason::StreamExists, "add_streams[0].stream_id"),
        (vec![plain(0)], vec![], Reason::FieldValue, "add_streams[0].stream_id"),
        (vec![plain(2), plain(3), plain(4)], vec![], Reason::FieldValue, "add_streams"),
        (vec![plain(2)], vec![9], Reason::UnknownStream, "remove_stream_ids[0]"),
        (vec![plain(2)], vec![1, 1], Reason::FieldValue, "remove_stream_ids[1]"),
        (vec![], vec![1], Reason::FieldValue, "remove_stream_ids"),
    ] {
        let refused = world.transact(vec![change(&access, added, &removed)]).unwrap_err();
        assert_eq!(why(refused), (reason, field.to_owned()));
    }
    // Added a moment ago, and not there yet for anyone else.
    let at_once = vec![change(&access, vec![plain(2)], &[]), change(&access, vec![], &[2])];
    let refused = world.transact(at_once).unwrap_err();
    assert_eq!(why(refused), (Reason::UnknownStream, "remove_stream_ids[0]".to_owned()));
    assert_eq!(world.gateway.context(&world.controller, access.context), before);
    assert_eq!(world.ports.open.len(), open);
}

#[test]
fn a_stream_that_the_topology_cannot_carry_is_refused() {
    let mut world = World::new(Policy::default());
    let (access, core) = world.call();
    world.transact(vec![change(&core, vec![plain(2)], &[])]).unwrap();
    let transparent = stream(2, Transport::Transparent);
    let refused = world.transact(vec![change(&access, vec![transparent], &[])]).unwrap_err();
    assert_eq!(why(refused), (Reason::TopologyRefused, "add_streams".to_owned()));
}

//= tests/spec/iq.md#topology
//= type=test
//# What was isolated on a stream MUST stay so when the stream goes and comes again.
#[test]
fn what_was_isolated_on_a_stream_holds_for_the_next_one_of_that_number() {
    let mut world = World::new(Policy::default());
    let (access, core) = world.call();
    let both = vec![change(&access, vec![plain(2)], &[]), change(&core, vec![plain(2)], &[])];
    world.transact(both).unwrap();
    let isolate = Association {
        from: TerminationId(1),
        to: TerminationId(2),
        relation: Relation::Isolate,
        stream: Some(StreamId(2)),
    };
    let change_topology = TopologyChange::Associate(vec![isolate]);
    let set = SetTopology { context: access.context, change: change_topology };
    world.transact(vec![Command::SetTopology(set)]).unwrap();

    world.transact(vec![change(&access, vec![], &[2])]).unwrap();

    let view = world.gateway.context(&world.controller, access.context).unwrap();
    assert!(view.associations.contains(&isolate));
    let again = world.transact(vec![change(&access, vec![plain(2)], &[])]).unwrap();
    let touched = specs(&again.work);
    assert!(touched.values().all(|(ingress, _)| ingress.as_ref().unwrap().output.is_none()));
}

#[test]
fn the_focus_of_a_group_keeps_its_stream() {
    let mut world = World::new(Policy::default());
    let (access, core) = world.call();
    world.transact(vec![change(&core, vec![plain(2)], &[])]).unwrap();
    let group = agw_context::SetGroup {
        context: ContextChoice::Existing(access.context),
        group: GroupId(1),
        stream: Some(StreamId(1)),
        focus: Some(core.termination),
        transport: Some(Transport::Plain),
        collisions: None,
        rekey_interval: None,
        max_members: None,
        ingress: None,
        egress: None,
    };
    world.transact(vec![Command::SetGroup(Box::new(group))]).unwrap();
    let refused = world.transact(vec![change(&core, vec![], &[1])]).unwrap_err();
    assert_eq!(why(refused), (Reason::GroupNotEmpty, "remove_stream_ids[0]".to_owned()));
    let mut member = plain(1);
    member.extras.group = Some(GroupId(1));
    let refused = world.transact(vec![change(&core, vec![member], &[])]).unwrap_err();
    assert_eq!(why(refused).0, Reason::StreamExists);
}
