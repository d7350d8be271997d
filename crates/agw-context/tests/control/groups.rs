//! Conferences: who may be a member, whose keys are whose, and when a re-key is wanted.

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
    world.transact(vec![Command::Reserve(opens)]).unwrap();
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

#[test]
fn members_are_counted_by_their_group_and_not_as_terminations() {
    let policy = Policy { max_terminations: 2, ..Policy::default() };
    let mut world = World::new(policy);
    let context = conference(&mut world, |group| SetGroup { max_members: Some(5), ..group });
    for _ in 0..5 {
        world.transact(vec![join(context)]).unwrap();
    }
    let error = world.transact(vec![join(context)]).unwrap_err().error;
    assert!(matches!(error, CommandError::Exhausted { what: Resource::Members, .. }), "{error}");
    world.reserve(access(ContextChoice::Existing(context)));
    let error = world.transact(vec![Command::Reserve(access(ContextChoice::Existing(context)))]);
    let error = error.unwrap_err().error;
    assert!(matches!(error, CommandError::Exhausted { what: Resource::Terminations, .. }));
}

#[test]
fn a_group_ends_when_it_is_empty_and_its_number_is_free_again() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| group);
    world.transact(vec![join(context)]).unwrap();
    let remove = || Command::RemoveGroup(RemoveGroup { context, group: GROUP });
    let expected = (Reason::GroupNotEmpty, "group_id".to_owned());
    assert_eq!(refusal(&mut world, remove()), expected);
    let outcome = world.transact(vec![leave(context, 2), remove()]).unwrap();
    assert!(groups_steps(&outcome).contains(&"RemoveEgress(EgressId(1))".to_owned()));
    assert_eq!(refusal(&mut world, remove()), (Reason::UnknownGroup, "group_id".to_owned()));
    let again = SetGroup { egress: Some(egress(5)), ..new_group(context) };
    world.transact(vec![set(again)]).unwrap();
}

fn wanted(world: &mut World) -> Vec<(u32, u32)> {
    let before = world.gateway.newest_event();
    world.gateway.tell_churn(world.now, SystemTime::UNIX_EPOCH);
    let mut wanted = Vec::new();
    for event in world.gateway.events_after(before, 100).unwrap() {
        if let EventKind::GroupRekeyWanted { group: GROUP, joined, left } = event.kind {
            assert_eq!(event.subject.unwrap().context, ContextId(1));
            wanted.push((joined, left));
        }
    }
    wanted
}

//= tests/spec/group.md#re-key
//= type=test
//# Changes of membership within the interval MUST be told as one event, and not at all if the group
//# was re-keyed meanwhile.
#[test]
fn members_that_come_and_go_are_told_together_unless_a_re_key_came_first() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| group);
    world.transact(vec![join(context), join(context)]).unwrap();
    world.later(INTERVAL / 2);
    world.transact(vec![join(context)]).unwrap();
    world.transact(vec![leave(context, 2)]).unwrap();
    assert_eq!(wanted(&mut world), []);
    world.later(INTERVAL / 2);
    assert_eq!(wanted(&mut world), [(3, 1)]);
    world.later(INTERVAL);
    assert_eq!(wanted(&mut world), []);

    world.transact(vec![join(context)]).unwrap();
    let rekey = SetGroup { egress: Some(egress(3)), ..set_group(context) };
    world.transact(vec![set(rekey)]).unwrap();
    world.later(INTERVAL);
    assert_eq!(wanted(&mut world), []);

    let together = SetGroup { egress: Some(egress(4)), ..set_group(context) };
    world.transact(vec![join(context), set(together)]).unwrap();
    world.later(INTERVAL);
    assert_eq!(wanted(&mut world), []);

    let never = SetGroup { rekey_interval: Some(RekeyInterval::Never), ..set_group(context) };
    world.transact(vec![set(never)]).unwrap();
    world.transact(vec![join(context)]).unwrap();
    world.later(INTERVAL);
    assert_eq!(wanted(&mut world), []);
}

#[test]
fn the_packet_path_takes_every_order_of_a_conference_from_its_beginning_to_its_end() {
    let mut plane = Plane::new(Policy::default());
    let context = ContextId(1);
    let shared = SetGroup { ingress: Some(ingress(1)), ..new_group(context) };
    plane.transact(vec![Command::Reserve(core(ContextChoice::New)), set(shared)]).unwrap();
    plane.transact(vec![join(context), join(context), join(context)]).unwrap();
    let state = |plane: &Plane, leg| {
        let ingress = plane.relay.ingress(IngressId(leg)).unwrap();
        ingress.crypto.map(|crypto| crypto.suite)
    };
    for leg in 2..=4 {
        assert_eq!(state(&plane, leg), Some(Suite::AesCm128HmacSha1_80));
    }
    let rekey =
        SetGroup { egress: Some(egress(5)), ingress: Some(ingress(5)), ..set_group(context) };
    plane.transact(vec![leave(context, 3), set(rekey), join(context)]).unwrap();
    assert!(plane.relay.ingress(IngressId(3)).is_none());
    let group = plane.relay.egress(EgressId(1)).unwrap();
    assert!(group.crypto.is_some() && group.group.is_some());
    plane.transact(vec![leave(context, 1)]).unwrap();
    let release = Release { context, termination: None };
    plane.transact(vec![Command::Release(release)]).unwrap();
    assert!(plane.relay.egress(EgressId(1)).is_none());
    assert!(plane.world.ports.open.is_empty());
}

#[test]
fn a_group_that_is_made_and_ended_in_one_transaction_leaves_no_number_behind() {
    let mut world = World::new(Policy::default());
    let context = world.reserve(core(ContextChoice::New)).context;
    let other = world.reserve(core(ContextChoice::New)).context;
    let remove = Command::RemoveGroup(RemoveGroup { context, group: GROUP });
    world.transact(vec![set(new_group(context)), remove]).unwrap();
    let end = Command::Release(Release { context: other, termination: None });
    let of_other = SetGroup { egress: Some(egress(2)), ..new_group(other) };
    world.transact(vec![set(of_other), end]).unwrap();

    world.later(Policy::default().port_rest);
    for (seed, group) in [(3, GroupId(1)), (4, GroupId(2)), (5, GroupId(3))] {
        let stream = StreamId(group.0);
        let mut focus = core(ContextChoice::Existing(context));
        focus.streams[0].id = stream;
        let focus = Some(world.reserve(focus).termination);
        let (stream, egress) = (Some(stream), Some(egress(seed)));
        let made = SetGroup { group, stream, focus, egress, ..new_group(context) };
        world.transact(vec![set(made)]).unwrap();
    }
    let view = world.gateway.context(&world.controller, context).unwrap();
    let legs = view.terminations.iter().flat_map(|at| &at.streams).map(|one| one.ingress.0);
    let mut numbers: Vec<u32> = legs.chain(view.groups.iter().map(|one| one.egress.0)).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_refused_change_of_focus_leaves_the_events_of_the_group_where_they_were() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| group);
    let second = world.reserve(core(ContextChoice::Existing(context))).termination;
    let told_of = |world: &mut World| {
        let before = world.gateway.newest_event();
        let group = world.gateway.context(&world.controller, context).unwrap().groups[0].egress;
        world.gateway.handle_report(Report::IndexReused(group), SystemTime::UNIX_EPOCH);
        let events = world.gateway.events_after(before, 1).unwrap();
        events[0].subject.as_ref().unwrap().termination
    };
    assert_eq!(told_of(&mut world), Some(FOCUS));
    let moved = || SetGroup { focus: Some(second), ..set_group(context) };
    let too_many = SetGroup { max_members: Some(usize::MAX), ..moved() };
    assert_eq!(refusal(&mut world, set(too_many)).1, "max_members");
    assert_eq!(told_of(&mut world), Some(FOCUS));
    world.transact(vec![set(moved())]).unwrap();
    assert_eq!(told_of(&mut world), Some(second));
}

//= tests/spec/group.md#ssrc
//= type=test
//# Where the gateway sends under the members' key, its own SSRCs MUST be guarded as theirs are.
#[test]
fn the_gateway_guards_its_ssrcs_under_a_key_that_members_have_used() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| SetGroup { ingress: Some(ingress(1)), ..group });
    let told = |outcome: &Outcome| {
        let mut steps = outcome.work.iter().flat_map(|work| &work.steps);
        steps.find_map(|step| {
            let Step::SetEgress(_, spec) = step else { return None };
            Some(spec.extras.as_ref()?.group.as_ref()?.seals_in_domain)
        })
    };
    let others = SetGroup { ingress: Some(ingress(7)), ..set_group(context) };
    let outcome = world.transact(vec![set(others)]).unwrap();
    assert_eq!(told(&outcome), None, "it still seals under what members have sealed under");
    let own = SetGroup { egress: Some(egress(8)), ..set_group(context) };
    let outcome = world.transact(vec![set(own)]).unwrap();
    assert_eq!(told(&outcome), Some(false));
}
