//! Conferences: who may be a member, whose keys are whose, and when a re-key is wanted.

mod order;
mod staging;

use std::time::{Duration, SystemTime};

use agw_context::{
    Command, CommandError, ContextChoice, ContextId, EventKind, GroupId, Outcome, Policy, Reason,
    RekeyInterval, Release, RemoveGroup, Reserve, Resource, SetGroup, StreamId, TerminationId,
};
use agw_relay::{CollisionRule, Command as Step, EgressId, IngressId, Report, Transport};
use agw_srtp::{EgressKey, IngressKey, MasterKey, Suite};

use crate::support::{Plane, World, access, core, crypto, egress, ingress};

const GROUP: GroupId = GroupId(1);
const FOCUS: TerminationId = TerminationId(1);
const INTERVAL: Duration = Duration::from_secs(10);

/// What makes a stream unfit.
type Spoil<'a> = &'a dyn Fn(&mut agw_context::StreamSpec);

fn set_group(context: ContextId) -> SetGroup {
    SetGroup {
        context: ContextChoice::Existing(context),
        group: GROUP,
        stream: None,
        focus: None,
        transport: None,
        collisions: None,
        rekey_interval: None,
        max_members: None,
        ingress: None,
        egress: None,
    }
}

fn new_group(context: ContextId) -> SetGroup {
    SetGroup {
        stream: Some(StreamId(1)),
        focus: Some(FOCUS),
        transport: Some(Transport::Secured),
        rekey_interval: Some(RekeyInterval::Within(INTERVAL)),
        egress: Some(egress(1)),
        ..set_group(context)
    }
}

fn set(set: SetGroup) -> Command {
    Command::SetGroup(Box::new(set))
}

fn member(context: ContextId) -> Reserve {
    let mut reserve = access(ContextChoice::Existing(context));
    reserve.streams[0].extras.group = Some(GROUP);
    reserve
}

fn join(context: ContextId) -> Command {
    Command::Reserve(member(context))
}

fn leave(context: ContextId, termination: u32) -> Command {
    Command::Release(Release { context, termination: Some(TerminationId(termination)) })
}

/// A focus with a group.
fn conference(world: &mut World, group: impl FnOnce(SetGroup) -> SetGroup) -> ContextId {
    let context = world.reserve(core(ContextChoice::New)).context;
    world.transact(vec![set(group(new_group(context)))]).unwrap();
    context
}

fn refusal(world: &mut World, command: Command) -> (Reason, String) {
    let error = world.transact(vec![command]).unwrap_err().error;
    (error.reason(), error.field().unwrap_or_default().to_owned())
}

fn groups_steps(outcome: &Outcome) -> Vec<String> {
    let steps = outcome.work.iter().flat_map(|work| &work.steps);
    let name = |step: &Step| match step {
        Step::SetIngress(IngressId(leg), spec) => {
            format!("ingress {leg} to {:?}", spec.output.map(|EgressId(leg)| leg))
        }
        Step::SetEgress(EgressId(leg), spec) => {
            let group = spec.extras.as_ref().and_then(|extras| extras.group.as_ref());
            let members = group.map(|group| group.members.len());
            format!("egress {leg} for {members:?}")
        }
        Step::GroupIngressCrypto(EgressId(leg), _) => format!("members' keys {leg}"),
        Step::EgressCrypto(EgressId(leg), _) => format!("keys {leg}"),
        Step::RemoveIngress(_)
        | Step::RemoveEgress(_)
        | Step::IngressCrypto(..)
        | Step::EndCall
        | Step::Follow(..) => format!("{step:?}"),
    };
    steps.map(name).collect()
}

#[test]
fn one_transaction_makes_a_conference_whose_members_hear_the_focus_and_it_hears_them() {
    let mut world = World::new(Policy::default());
    let group = SetGroup {
        context: ContextChoice::Latest,
        ingress: Some(ingress(2)),
        ..new_group(ContextId(1))
    };
    let mut first = member(ContextId(1));
    first.context = ContextChoice::Latest;
    let mut second = member(ContextId(1));
    second.context = ContextChoice::Latest;
    let commands = vec![
        Command::Reserve(core(ContextChoice::New)),
        set(group),
        Command::Reserve(first),
        Command::Reserve(second),
    ];
    let outcome = world.transact(commands).unwrap();
    // Leg 0 is the focus's, 1 the group's number, 2 and 3 the members'.
    assert_eq!(
        groups_steps(&outcome),
        [
            "egress 0 for None",
            "ingress 0 to Some(1)",
            "egress 2 for None",
            "ingress 2 to Some(0)",
            "egress 3 for None",
            "ingress 3 to Some(0)",
            "egress 1 for Some(2)",
            "keys 1",
            "members' keys 1",
        ]
    );
    let view = world.gateway.context(&world.controller, ContextId(1)).unwrap();
    let [group] = &*view.groups else { panic!("{:?}", view.groups) };
    assert_eq!((group.id, group.focus, group.stream), (GROUP, FOCUS, StreamId(1)));
    assert_eq!(group.members, [TerminationId(2), TerminationId(3)]);
    assert_eq!(group.rekey_interval, Some(INTERVAL));
    assert_eq!(group.collisions, CollisionRule::Drop);
    assert!(group.egress_key.is_some() && group.ingress_key.is_some());
    assert_eq!(view.terminations[1].streams[0].extras.group, Some(GROUP));
    assert_eq!(world.gateway.capabilities(world.now).max_group_members, 64);
}

//= tests/spec/group.md#members
//= type=test
//# A plain member MUST be refused in a secured group.
//= tests/spec/group.md#members
//= type=test
//# A key of another suite than the group's MUST be refused.
#[test]
fn who_does_not_fit_is_not_let_in_and_is_told_why() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| group);
    let with = |change: &dyn Fn(&mut agw_context::StreamSpec)| {
        let mut reserve = member(context);
        change(&mut reserve.streams[0]);
        Command::Reserve(reserve)
    };
    let other_suite = MasterKey::from_concatenated(Suite::AeadAes128Gcm, &[9; 28]).unwrap();
    let other_suite = std::cell::RefCell::new(Some(crypto(vec![IngressKey::new(other_suite)])));
    let table: [(Spoil<'_>, Reason, &str); 6] = [
        (&|stream| stream.transport = Transport::Plain, Reason::PlainMember, "transport"),
        (&|stream| stream.transport = Transport::Transparent, Reason::FieldValue, "transport"),
        (&|stream| stream.egress = Some(egress(9)), Reason::FieldValue, "egress_crypto"),
        (&|stream| stream.ingress = other_suite.take(), Reason::SuiteRefused, "ingress_crypto"),
        (&|stream| stream.id = StreamId(2), Reason::FieldValue, "group_id"),
        (&|stream| stream.ingress = Some(ingress(1)), Reason::KeyReuse, "ingress_crypto.keys[0]"),
    ];
    for (change, reason, field) in table {
        let expected = (reason, format!("streams[0].{field}"));
        assert_eq!(refusal(&mut world, with(change)), expected);
    }
    let mut nowhere = member(context);
    nowhere.streams[0].extras.group = Some(GroupId(2));
    let unknown = (Reason::UnknownGroup, "group_id".to_owned());
    assert_eq!(refusal(&mut world, Command::Reserve(nowhere)), unknown);
    let plain = world.transact(vec![with(&|stream| stream.transport = Transport::Plain)]);
    let error = plain.unwrap_err().error;
    assert_eq!((error.h248_code(), error.to_string().contains("TR 33.829")), (449, true));
}

//= tests/spec/group.md#members
//= type=test
//# A key that a group uses MUST be refused outside of it.
#[test]
fn a_group_may_use_one_key_both_ways_and_nobody_else_may_use_it_then_or_later() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| SetGroup { ingress: Some(ingress(1)), ..group });
    world.transact(vec![join(context), join(context)]).unwrap();
    let outside = |world: &mut World| {
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].egress = Some(egress(1));
        refusal(world, Command::Reserve(reserve)).0
    };
    assert_eq!(outside(&mut world), Reason::KeyReuse);
    let other = world.reserve(core(ContextChoice::New)).context;
    assert_eq!(refusal(&mut world, set(new_group(other))).0, Reason::KeyReuse);

    let release = Release { context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    assert_eq!(outside(&mut world), Reason::KeyReuse);
    let mut opens = access(ContextChoice::New);
    opens.streams[0].ingress = Some(ingress(1));
    assert_eq!(refusal(&mut world, Command::Reserve(opens)).0, Reason::KeyReuse);
}

#[test]
fn a_key_that_the_group_has_had_does_not_come_back() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| group);
    let rekey = |seed| set(SetGroup { egress: Some(egress(seed)), ..set_group(context) });
    world.transact(vec![rekey(3)]).unwrap();
    assert_eq!(refusal(&mut world, rekey(1)).0, Reason::KeyReuse);
    let members = SetGroup { ingress: Some(ingress(1)), ..set_group(context) };
    assert_eq!(refusal(&mut world, set(members)).0, Reason::KeyReuse);
}

#[test]
fn a_group_is_set_up_and_changed_by_its_rules() {
    let mut world = World::new(Policy::default());
    let context = world.reserve(core(ContextChoice::New)).context;
    let group = || SetGroup { egress: None, ..new_group(context) };
    let other_suite = MasterKey::from_concatenated(Suite::AeadAes128Gcm, &[9; 28]).unwrap();
    let other_suite = crypto(vec![EgressKey::new(other_suite)]);
    let long = RekeyInterval::Within(Duration::from_secs(601));
    let before = [
        (SetGroup { stream: None, ..group() }, Reason::FieldMissing, "stream_id"),
        (SetGroup { focus: None, ..group() }, Reason::FieldMissing, "focus_termination_id"),
        (SetGroup { transport: None, ..group() }, Reason::FieldMissing, "transport"),
        (
            SetGroup { transport: Some(Transport::Transparent), ..group() },
            Reason::FieldValue,
            "transport",
        ),
        (
            SetGroup { rekey_interval: Some(long), ..group() },
            Reason::FieldValue,
            "rekey_interval_ms",
        ),
        (SetGroup { max_members: Some(65), ..group() }, Reason::FieldValue, "max_members"),
        (SetGroup { context: ContextChoice::New, ..group() }, Reason::FieldMissing, "context_id"),
        (
            SetGroup { focus: Some(TerminationId(9)), ..group() },
            Reason::UnknownTermination,
            "termination_id",
        ),
        (SetGroup { stream: Some(StreamId(9)), ..group() }, Reason::UnknownStream, "stream_id"),
        (
            SetGroup { transport: Some(Transport::Plain), egress: Some(egress(4)), ..group() },
            Reason::CryptoOnPlainTransport,
            "egress_crypto",
        ),
    ];
    for (group, reason, field) in before {
        assert_eq!(refusal(&mut world, set(group)), (reason, field.to_owned()));
    }
    world.transact(vec![set(new_group(context))]).unwrap();
    let after = [
        (SetGroup { group: GroupId(2), egress: None, ..group() }, Reason::FieldValue, "stream_id"),
        (
            SetGroup { stream: Some(StreamId(2)), ..set_group(context) },
            Reason::FieldValue,
            "stream_id",
        ),
        (
            SetGroup { transport: Some(Transport::Plain), ..set_group(context) },
            Reason::FieldValue,
            "transport",
        ),
        (
            SetGroup { egress: Some(other_suite), ..set_group(context) },
            Reason::SuiteRefused,
            "egress_crypto",
        ),
    ];
    for (group, reason, field) in after {
        assert_eq!(refusal(&mut world, set(group)), (reason, field.to_owned()));
    }
}
