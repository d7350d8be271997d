//! Keys that come in force by themselves: at a time, or with a packet of which control hears late.

use std::time::{Duration, SystemTime};

use agw_context::{
    ActivateKey, CancelKey, Command, ContextChoice, CryptoChange, DirectedKey, Direction,
    EventKind, Expecting, KeySlot, KeyView, Policy, PutOff, Reason, StageKey, StagedKeyView,
    TerminationReply,
};
use agw_relay::{EgressCrypto, IngressCrypto, IngressId, Report};
use agw_srtp::{IngressKey, KeyEvent, Lifetime, Mki, RocOnRekey, SessionParameters};

use crate::keys::{change, slot};
use crate::support::{World, access, crypto, egress, master};

const HOUR: Duration = Duration::from_secs(3600);
const START: SystemTime = SystemTime::UNIX_EPOCH;

fn marked(seed: u8, mki: u8) -> IngressKey {
    let mut key = IngressKey::new(master(seed));
    key.mki = Some(Mki::new(&[mki]).unwrap());
    key
}

/// A leg whose ingress keys have identifiers.
fn leg(world: &mut World) -> TerminationReply {
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].ingress = Some(crypto(vec![marked(1, 1)]));
    reserve.streams[0].egress = Some(egress(100));
    world.reserve(reserve)
}

fn stage(world: &mut World, slot: KeySlot, seed: u8) {
    let key = DirectedKey::Ingress(marked(seed, seed));
    world.transact(vec![Command::StageKey(StageKey { slot, key })]).unwrap();
}

fn activate(slot: KeySlot, direction: Direction, at: Option<SystemTime>) -> Vec<Command> {
    let (roc, overlap) = (RocOnRekey::Set(7), None);
    vec![Command::ActivateKey(ActivateKey { slot, direction, roc, overlap, at })]
}

fn cancel(world: &mut World, slot: KeySlot) -> Result<(), Reason> {
    let cancel = CancelKey { slot, direction: Direction::Ingress };
    let outcome = world.transact(vec![Command::CancelKey(cancel)]);
    outcome.map(drop).map_err(|refused| refused.error.reason())
}

fn ingress_key(world: &World, leg: &TerminationReply) -> KeyView {
    let view = world.gateway.context(&world.controller, leg.context).unwrap();
    view.terminations[0].streams[0].ingress_key.clone().unwrap()
}

fn report(world: &mut World, event: KeyEvent) {
    world.gateway.handle_report(Report::IngressKey(IngressId(0), event), START);
}

fn activations_told(world: &World) -> usize {
    let events = world.gateway.events_after(0, 100).unwrap();
    let told = |kind: &EventKind| matches!(kind, EventKind::KeyActivated { .. });
    events.iter().filter(|event| told(&event.kind)).count()
}

//= tests/spec/iq.md#keys
//= type=test
//# A staged key MUST come in force at the time that the controller has said and not before.
#[test]
fn a_staged_key_comes_in_force_at_its_time_and_not_before() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    stage(&mut world, slot, 2);
    let at = START + HOUR;
    assert!(world.transact(activate(slot, Direction::Ingress, Some(at))).unwrap().work.is_empty());
    assert_eq!(ingress_key(&world, &leg).activates_at(), Some(at));

    let due = world.now + HOUR;
    assert_eq!(world.gateway.poll_activation(), Some(due));
    let early = due - Duration::from_millis(1);
    assert!(world.gateway.handle_activations(early, at).is_empty());
    assert_eq!(ingress_key(&world, &leg).mkis, [vec![1]]);

    let [work] = world.gateway.handle_activations(due, at).try_into().unwrap();
    let [agw_relay::Command::IngressCrypto(_, IngressCrypto::Activate { roc, .. })] =
        &work.steps[..]
    else {
        panic!("{:?}", work.steps)
    };
    assert_eq!(*roc, RocOnRekey::Set(7));
    let view = ingress_key(&world, &leg);
    assert_eq!((view.staged, view.mkis), (None, vec![vec![2]]));
    assert_eq!(activations_told(&world), 1);
    assert_eq!(world.gateway.poll_activation(), None);
    // What its packets did meanwhile is no news.
    report(&mut world, KeyEvent::Activated { number: 1 });
    assert_eq!(activations_told(&world), 1);
}

//= tests/spec/iq.md#generations
//= type=test
//# The generation of a context MUST grow when a staged key comes in force by its time, or as soon as
//# the packet path has told that its identifier came.
#[test]
fn a_command_that_was_sent_before_a_key_came_in_force_by_itself_does_not_act_after_it() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    let generation =
        |world: &World| world.gateway.context(&world.controller, leg.context).unwrap().generation;
    let cancels = |world: &mut World, generation| {
        let cancel = Command::CancelKey(CancelKey { slot, direction: Direction::Ingress });
        let command = Command::Expecting(Box::new(Expecting { generation, command: cancel }));
        world.transact(vec![command]).map_err(|refused| refused.error.reason())
    };
    stage(&mut world, slot, 2);
    world.transact(activate(slot, Direction::Ingress, Some(START + HOUR))).unwrap();
    let looked = generation(&world);
    world.gateway.handle_activations(world.now, START);
    assert_eq!(generation(&world), looked, "its time has not come");
    world.gateway.handle_activations(world.now + HOUR, START);
    assert_eq!(generation(&world), looked + 1);
    assert_eq!(cancels(&mut world, looked).unwrap_err(), Reason::GenerationMismatch);
    report(&mut world, KeyEvent::Activated { number: 1 });
    assert_eq!(generation(&world), looked + 1, "what its packets did meanwhile is no news");

    stage(&mut world, slot, 3);
    let looked = generation(&world);
    report(&mut world, KeyEvent::Activated { number: 2 });
    assert_eq!(generation(&world), looked + 1);
    assert_eq!(cancels(&mut world, looked).unwrap_err(), Reason::GenerationMismatch);
}

#[test]
fn an_egress_key_comes_in_force_at_its_time_too() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    let key = DirectedKey::Egress(agw_srtp::EgressKey::new(master(101)));
    world.transact(vec![Command::StageKey(StageKey { slot, key })]).unwrap();
    world.transact(activate(slot, Direction::Egress, Some(START + HOUR))).unwrap();
    let [work] = world.gateway.handle_activations(world.now + HOUR, START).try_into().unwrap();
    let steps = &work.steps[..];
    let activates =
        matches!(steps, [agw_relay::Command::EgressCrypto(_, EgressCrypto::Activate { .. })]);
    assert!(activates, "{steps:?}");
}

//= tests/spec/iq.md#keys
//= type=test
//# A time of activation in the past or too far ahead MUST be refused.
#[test]
fn a_time_in_the_past_or_too_far_ahead_is_refused_and_nothing_changes() {
    let policy = Policy { max_activation_delay: HOUR, ..Policy::default() };
    let mut world = World::new(policy);
    let leg = leg(&mut world);
    let slot = slot(&leg);
    let unstaged = world.transact(activate(slot, Direction::Ingress, Some(START + HOUR)));
    assert_eq!(unstaged.unwrap_err().error.reason(), Reason::NothingStaged);
    stage(&mut world, slot, 2);
    for at in [START, START - HOUR, START + HOUR + Duration::from_secs(1)] {
        let refused = world.transact(activate(slot, Direction::Ingress, Some(at))).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::FieldValue, "{at:?}");
        assert_eq!(refused.error.field(), Some("at"));
    }
    assert_eq!(world.gateway.poll_activation(), None);
    assert!(ingress_key(&world, &leg).staged.is_some());
}

#[test]
fn a_time_goes_with_the_key_that_it_is_for() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    let at = || activate(slot, Direction::Ingress, Some(START + HOUR));
    let undo: [&dyn Fn(&mut World); 5] = [
        &|world| cancel(world, slot).unwrap(),
        &|world| stage(world, slot, 20),
        &|world| drop(world.transact(activate(slot, Direction::Ingress, None)).unwrap()),
        &|world| {
            let mut configure = change(&leg);
            configure.streams[0].ingress = CryptoChange::Install(crypto(vec![marked(21, 21)]));
            world.transact(vec![Command::Configure(configure)]).unwrap();
        },
        &|world| {
            let release = agw_context::Release { context: leg.context, termination: None };
            world.transact(vec![Command::Release(release)]).unwrap();
        },
    ];
    for (seed, undo) in (2..).zip(undo) {
        stage(&mut world, slot, seed);
        world.transact(at()).unwrap();
        assert_eq!(world.gateway.poll_activation(), Some(world.now + HOUR), "{seed}");
        undo(&mut world);
        assert_eq!(world.gateway.poll_activation(), None, "{seed}");
    }
}

#[test]
fn a_key_whose_packets_came_before_a_command_is_in_force_whatever_the_command_was() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    // The packet path put number 1 in force, and control hears of it after it has discarded it.
    stage(&mut world, slot, 2);
    cancel(&mut world, slot).unwrap();
    report(&mut world, KeyEvent::Activated { number: 1 });
    assert_eq!(ingress_key(&world, &leg).mkis, [vec![2]]);
    assert_eq!(activations_told(&world), 1);

    // The same while another key took its place: that one still waits.
    stage(&mut world, slot, 3);
    stage(&mut world, slot, 4);
    report(&mut world, KeyEvent::Activated { number: 2 });
    let view = ingress_key(&world, &leg);
    assert_eq!((view.mkis, view.staged.is_some()), (vec![vec![3]], true));
    report(&mut world, KeyEvent::Activated { number: 3 });
    assert_eq!(ingress_key(&world, &leg).mkis, [vec![4]]);

    // Keys that were installed since are newer, and what they replaced never comes back.
    stage(&mut world, slot, 5);
    let mut configure = change(&leg);
    configure.streams[0].ingress = CryptoChange::Install(crypto(vec![marked(6, 6)]));
    world.transact(vec![Command::Configure(configure)]).unwrap();
    report(&mut world, KeyEvent::Activated { number: 4 });
    assert_eq!(ingress_key(&world, &leg).mkis, [vec![6]]);
    let key = DirectedKey::Ingress(marked(5, 5));
    let refused = world.transact(vec![Command::StageKey(StageKey { slot, key })]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
}

#[test]
fn a_discarded_key_is_free_once_the_packet_path_says_that_it_was_never_used() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    stage(&mut world, slot, 2);
    cancel(&mut world, slot).unwrap();
    let again = || {
        let key = DirectedKey::Ingress(marked(2, 2));
        vec![Command::StageKey(StageKey { slot, key })]
    };
    assert_eq!(world.transact(again()).unwrap_err().error.reason(), Reason::KeyReuse);
    world.gateway.handle_report(Report::StagedKeyDiscarded(IngressId(0), 1), START);
    world.transact(again()).unwrap();
    assert_eq!(activations_told(&world), 0);
}

#[test]
fn a_refused_key_is_told_once_a_second_with_the_call_that_it_was_for() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    for _ in 0..3 {
        let mut configure = change(&leg);
        configure.streams[0].egress = CryptoChange::Install(egress(1));
        let refused = world.transact(vec![Command::Configure(configure)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyReuse);
    }
    let events = world.gateway.events_after(0, 100).unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::KeyReuseBlocked { .. }))
        .collect();
    let [event] = told[..] else { panic!("{told:?}") };
    let direction = Direction::Egress;
    assert_eq!(event.kind, EventKind::KeyReuseBlocked { direction, refused: 1 });
    assert_eq!(event.subject.as_ref().map(|subject| subject.context), Some(leg.context));
}

//= tests/spec/iq.md#keys
//= type=test
//# An ingress key of another call that has ended MUST be refused unless policy allows it.
#[test]
fn an_ingress_key_comes_back_on_the_same_call_and_on_another_one_only_by_policy() {
    for (allow_ingress_key_return, returns) in [(false, false), (true, true)] {
        let mut world = World::new(Policy { allow_ingress_key_return, ..Policy::default() });
        let first = leg(&mut world);
        let other = leg_of(&mut world, first.context);
        let gone = Some(other.termination);
        let release = agw_context::Release { context: first.context, termination: gone };
        world.transact(vec![Command::Release(release)]).unwrap();
        // A rejected offer comes once more (RFC 4568 §7.1.4).
        leg_of(&mut world, first.context);
        let release = agw_context::Release { context: first.context, termination: None };
        world.transact(vec![Command::Release(release)]).unwrap();
        let mut again = access(ContextChoice::New);
        again.streams[0].ingress = Some(crypto(vec![marked(50, 50)]));
        let outcome = world.transact(vec![Command::Reserve(again)]);
        assert_eq!(outcome.is_ok(), returns);
        if let Err(refused) = outcome {
            assert_eq!(refused.error.reason(), Reason::KeyReuse);
            let told = refused.error.to_string();
            assert!(told.contains("policy.allow_ingress_key_return"), "{told}");
        }
    }
}

//= tests/spec/iq.md#keys
//= type=test
//# A key that waits when its stream ends MUST count as used if a packet may have put it in force.
#[test]
fn a_key_that_waited_for_its_identifier_when_its_call_ended_counts_as_used() {
    let mut world = World::new(Policy::default());
    let first = leg(&mut world);
    stage(&mut world, slot(&first), 2);
    let unmarked = |world: &mut World| {
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].ingress = Some(crypto(vec![IngressKey::new(master(3))]));
        world.reserve(reserve)
    };
    let second = unmarked(&mut world);
    let key = DirectedKey::Ingress(IngressKey::new(master(4)));
    world.transact(vec![Command::StageKey(StageKey { slot: slot(&second), key })]).unwrap();
    for context in [first.context, second.context] {
        let release = agw_context::Release { context, termination: None };
        world.transact(vec![Command::Release(release)]).unwrap();
    }
    // Nobody heard whether a packet with the identifier came first; without one none can have.
    for (seed, is_free) in [(2, false), (4, true)] {
        let mut again = access(ContextChoice::New);
        again.streams[0].ingress = Some(crypto(vec![IngressKey::new(master(seed))]));
        let outcome = world.transact(vec![Command::Reserve(again)]);
        let reason = outcome.map(drop).map_err(|refused| refused.error.reason());
        assert_eq!(reason, if is_free { Ok(()) } else { Err(Reason::KeyReuse) });
    }
}

/// Another leg of a call, always with the same ingress key.
fn leg_of(world: &mut World, context: agw_context::ContextId) -> TerminationReply {
    let mut reserve = access(ContextChoice::Existing(context));
    reserve.streams[0].ingress = Some(crypto(vec![marked(50, 50)]));
    world.reserve(reserve)
}

//= tests/spec/iq.md#audit
//= type=test
//# An audit MUST tell everything that a controller has set of a stream but the octets of keys and
//# salts.
#[test]
fn a_key_that_waits_is_told_with_its_terms_and_takes_them_along() {
    let mut world = World::new(Policy::default());
    let leg = leg(&mut world);
    let slot = slot(&leg);
    let lifetime = Lifetime { srtp: 1_000, srtcp: 900 };
    let key = IngressKey { lifetime, ..marked(2, 2) };
    let stage = StageKey { slot, key: DirectedKey::Ingress(key) };
    world.transact(vec![Command::StageKey(stage)]).unwrap();
    let at = START + HOUR;
    world.transact(activate(slot, Direction::Ingress, Some(at))).unwrap();

    let staged = ingress_key(&world, &leg).staged.unwrap();
    let activation = Some(PutOff { at, roc: RocOnRekey::Set(7), overlap: Duration::from_secs(2) });
    assert_eq!(staged, StagedKeyView { mki: Some(vec![2]), lifetime, activation });

    let _ = world.gateway.handle_activations(world.now + HOUR, at);
    let view = ingress_key(&world, &leg);
    assert_eq!((view.lifetimes, view.overlap), (vec![lifetime], Some(Duration::from_secs(2))));
    assert_eq!((view.parameters, view.staged), (SessionParameters::default(), None));
}
