//! Members that come and go, and the end of groups.

use super::*;

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

//= tests/spec/group.md#key-lifetime
//= type=test
//# A key that a group had MUST NOT be a group's again.
#[test]
fn a_group_that_is_made_again_takes_new_keys() {
    let mut world = World::new(Policy::default());
    let context = conference(&mut world, |group| SetGroup { ingress: Some(ingress(2)), ..group });
    world
        .transact(vec![set(SetGroup { ingress: Some(ingress(2)), ..set_group(context) })])
        .unwrap();
    let remove = Command::RemoveGroup(RemoveGroup { context, group: GROUP });
    world.transact(vec![remove]).unwrap();
    for (theirs, taken) in [(2, false), (3, true)] {
        let again = SetGroup {
            ingress: Some(ingress(theirs)),
            egress: Some(egress(5)),
            ..new_group(context)
        };
        let outcome = world.transact(vec![set(again)]);
        assert_eq!(outcome.is_ok(), taken);
        let reason = outcome.err().map(|refused| refused.error.reason());
        assert_eq!(reason, (!taken).then_some(Reason::KeyReuse));
    }
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
