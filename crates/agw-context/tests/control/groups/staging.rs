//! Keys that wait for a whole group.

use agw_context::{DirectedKey, Direction, GroupKey, GroupKeyChange};
use agw_relay::IngressCrypto;
use agw_srtp::{KeyEvent, Mki, RocOnRekey};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const START: SystemTime = SystemTime::UNIX_EPOCH;

fn marked(seed: u8) -> IngressKey {
    let mut key = IngressKey::new(master(seed));
    key.mki = Some(Mki::new(&[seed]).unwrap());
    key
}

fn master(seed: u8) -> MasterKey {
    crate::support::master(seed)
}

fn of_group(context: ContextId, change: GroupKeyChange) -> Command {
    Command::GroupKey(GroupKey { context, group: GROUP, change })
}

fn stage(context: ContextId, key: IngressKey) -> Command {
    of_group(context, GroupKeyChange::Stage(DirectedKey::Ingress(key)))
}

fn stage_egress(context: ContextId, seed: u8) -> Command {
    let key = EgressKey::new(master(seed));
    of_group(context, GroupKeyChange::Stage(DirectedKey::Egress(key)))
}

fn activate(context: ContextId, direction: Direction, at: Option<SystemTime>) -> Command {
    let (roc, overlap) = (RocOnRekey::Keep, None);
    of_group(context, GroupKeyChange::Activate { direction, roc, overlap, at })
}

fn cancel(context: ContextId, direction: Direction) -> Command {
    of_group(context, GroupKeyChange::Cancel(direction))
}

/// A group whose members send under key 2 with an identifier; it is leg 1, its member leg 2.
fn shared(world: &mut World) -> ContextId {
    let context =
        conference(world, |group| SetGroup { ingress: Some(crypto(vec![marked(2)])), ..group });
    world.transact(vec![join(context)]).unwrap();
    context
}

fn keys(world: &World) -> [agw_context::KeyView; 2] {
    let view = world.gateway.context(&world.controller, ContextId(1)).unwrap();
    let group = view.groups[0].clone();
    [group.ingress_key.unwrap(), group.egress_key.unwrap()]
}

//= tests/spec/group.md#re-key
//= type=test
//# A key that is staged for a group MUST reach every member, those that join later included, and
//# MUST NOT seal before it is activated.
#[test]
fn staged_keys_of_a_group_wait_are_audited_and_come_in_force_for_all() {
    let mut world = World::new(Policy::default());
    let context = shared(&mut world);
    let outcome =
        world.transact(vec![stage(context, marked(3)), stage_egress(context, 4)]).unwrap();
    assert_eq!(groups_steps(&outcome), ["members' keys 1", "keys 1"]);
    assert!(keys(&world).iter().all(|key| key.staged.is_some() && key.activates_at().is_none()));

    let direct = |direction| activate(context, direction, None);
    let both = vec![direct(Direction::Ingress), direct(Direction::Egress)];
    let outcome = world.transact(both).unwrap();
    assert_eq!(groups_steps(&outcome), ["members' keys 1", "keys 1"]);
    let [ingress, egress] = keys(&world);
    assert_eq!((ingress.mkis, ingress.staged, egress.staged), (vec![vec![3]], None, None));
    let nothing = (Reason::NothingStaged, "direction".to_owned());
    for direction in [Direction::Ingress, Direction::Egress] {
        assert_eq!(refusal(&mut world, direct(direction)).0, nothing.0);
        assert_eq!(refusal(&mut world, cancel(context, direction)).0, nothing.0);
    }
}

#[test]
fn a_key_of_a_group_comes_in_force_at_its_time_unless_it_is_withdrawn() {
    let mut world = World::new(Policy::default());
    let context = shared(&mut world);
    let at = START + HOUR;
    let timed = |direction| activate(context, direction, Some(at));
    let commands = vec![
        stage(context, marked(3)),
        stage_egress(context, 4),
        timed(Direction::Ingress),
        timed(Direction::Egress),
    ];
    world.transact(commands).unwrap();
    assert!(keys(&world).iter().all(|key| key.activates_at() == Some(at)));
    world.transact(vec![cancel(context, Direction::Ingress)]).unwrap();
    let due = world.now + HOUR;
    assert!(world.gateway.handle_activations(due - Duration::from_millis(1), at).is_empty());

    let before = world.gateway.newest_event();
    let work = world.gateway.handle_activations(due, at);
    let steps: Vec<_> = work.into_iter().flat_map(|work| work.steps).collect();
    assert!(matches!(&steps[..], [Step::EgressCrypto(EgressId(1), _)]), "{steps:?}");
    let events = world.gateway.events_after(before, 10).unwrap();
    let [event] = &events[..] else { panic!("{events:?}") };
    let (direction, group) = (Direction::Egress, Some(GROUP));
    assert_eq!(event.kind, EventKind::KeyActivated { direction, group });
    assert_eq!(event.subject.as_ref().unwrap().termination, Some(FOCUS));
    assert_eq!((keys(&world)[0].staged.clone(), keys(&world)[1].staged.clone()), (None, None));
    assert_eq!(world.gateway.poll_activation(), None);
}

#[test]
fn a_group_re_keyed_at_a_time_wants_no_re_key_for_those_who_came_before() {
    let mut world = World::new(Policy::default());
    let context = shared(&mut world);
    let at = START + Duration::from_secs(1);
    let timed = activate(context, Direction::Egress, Some(at));
    world.transact(vec![stage_egress(context, 4), timed]).unwrap();
    world.later(Duration::from_secs(1));
    world.gateway.handle_activations(world.now, at);
    let before = world.gateway.newest_event();
    world.later(INTERVAL);
    world.gateway.tell_churn(world.now, at);
    assert_eq!(world.gateway.newest_event(), before);
}

#[test]
fn one_key_may_wait_for_both_directions_and_stays_taken_while_one_of_them_has_it() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| SetGroup { ingress: Some(ingress(1)), ..group });
    let staged = || stage(context, IngressKey::new(master(9)));
    world.transact(vec![staged(), stage_egress(context, 9)]).unwrap();
    world.transact(vec![cancel(context, Direction::Ingress)]).unwrap();
    let mut elsewhere = access(ContextChoice::New);
    elsewhere.streams[0].ingress = Some(ingress(9));
    let (reason, _) = refusal(&mut world, Command::Reserve(elsewhere));
    assert_eq!(reason, Reason::KeyReuse);

    world.transact(vec![staged(), activate(context, Direction::Egress, None)]).unwrap();
    // The gateway seals under a key that members may already use: its SSRCs are guarded.
    world.transact(vec![join(context)]).unwrap();
    let outcome = world.transact(vec![cancel(context, Direction::Ingress), join(context)]).unwrap();
    let guards = |outcome: &Outcome| {
        outcome.work.iter().flat_map(|work| &work.steps).find_map(|step| {
            let Step::SetEgress(EgressId(1), spec) = step else { return None };
            Some(spec.extras.as_ref()?.group.as_ref()?.seals_in_domain)
        })
    };
    assert_eq!(guards(&outcome), Some(false));
    let outcome = world.transact(vec![staged(), activate(context, Direction::Ingress, None)]);
    assert_eq!(guards(&outcome.unwrap()), Some(true));
}

#[test]
fn a_member_that_begins_early_is_told_and_the_key_waits_for_the_others() {
    let mut world = World::new(Policy::default());
    let context = shared(&mut world);
    let outcome = world.transact(vec![stage(context, marked(3))]).unwrap();
    let steps: Vec<_> = outcome.work.iter().flat_map(|work| &work.steps).collect();
    let [Step::GroupIngressCrypto(_, IngressCrypto::Stage(_, number))] = steps[..] else {
        panic!("{steps:?}")
    };
    let before = world.gateway.newest_event();
    let began = KeyEvent::Activated { number: *number };
    world.gateway.handle_report(Report::IngressKey(IngressId(2), began), START);
    let events = world.gateway.events_after(before, 10).unwrap();
    let [event] = &events[..] else { panic!("{events:?}") };
    let (direction, group) = (Direction::Ingress, Some(GROUP));
    assert_eq!(event.kind, EventKind::KeyActivated { direction, group });
    assert_eq!(event.subject.as_ref().unwrap().termination, Some(TerminationId(2)));
    assert!(keys(&world)[0].staged.is_some());
}

#[test]
fn a_withdrawn_key_is_free_again_only_when_no_member_has_begun_with_it() {
    let mut world = World::new(Policy::default());
    let context = shared(&mut world);
    let outcome = world.transact(vec![stage(context, marked(3))]).unwrap();
    let steps: Vec<_> = outcome.work.iter().flat_map(|work| &work.steps).collect();
    let [Step::GroupIngressCrypto(_, IngressCrypto::Stage(_, number))] = steps[..] else {
        panic!("{steps:?}")
    };
    let number = *number;
    world.transact(vec![cancel(context, Direction::Ingress)]).unwrap();
    assert_eq!(refusal(&mut world, stage(context, marked(3))).0, Reason::KeyReuse);
    world.gateway.handle_report(Report::StagedKeyDiscarded(IngressId(1), number), START);
    world.transact(vec![stage(context, marked(3))]).unwrap();
}

#[test]
fn what_cannot_wait_for_a_group_is_refused() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| group);
    // Its members bring keys of their own.
    let own = stage(context, IngressKey::new(master(3)));
    assert_eq!(refusal(&mut world, own).1, "ingress_crypto.key");
    let in_force = stage_egress(context, 1);
    assert_eq!(refusal(&mut world, in_force).0, Reason::KeyReuse);
    let other = Command::GroupKey(GroupKey {
        context,
        group: GroupId(7),
        change: GroupKeyChange::Cancel(Direction::Egress),
    });
    assert_eq!(refusal(&mut world, other).0, Reason::UnknownGroup);
    let past = activate(context, Direction::Egress, Some(START));
    assert_eq!(refusal(&mut world, past).1, "at");
}
