//! Keys: what is installed, refused, staged, and when they may come back.

mod again;
mod returns;

use crate::support::{
    Plane, World, access, core, crypto, egress, ingress, master, remote, termination,
};
use agw_context::{
    ActivateKey, CancelKey, Command, Configure, ContextChoice, CryptoChange, CryptoContext,
    DirectedKey, Direction, EventKind, KeySlot, LateChoice, Policy, Reason, Refused, StageKey,
    StreamChange, StreamExtrasChange, StreamId, TerminationReply,
};
use agw_relay::{Command as Step, EgressCrypto, IngressCrypto, IngressId, Report};
use agw_srtp::{
    EgressKey, IngressKey, KeyEvent, Lifetime, MasterKey, Mki, RocOnRekey, SessionParameters, Suite,
};

/// A call whose access leg opens with key 1 and seals with key 2.
/// Ingress keys of ended calls may open packets of others.
fn returning() -> Policy {
    Policy { allow_ingress_key_return: true, ..Policy::default() }
}

fn secured_call(world: &mut World) -> TerminationReply {
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].remote = Some(remote("127.0.0.1:5000"));
    reserve.streams[0].ingress = Some(ingress(1));
    reserve.streams[0].egress = Some(egress(2));
    let reply = world.reserve(reserve);
    world.reserve(core(ContextChoice::Existing(reply.context)));
    reply
}

pub(crate) fn change(at: &TerminationReply) -> Configure {
    let change = StreamChange {
        id: StreamId(1),
        remote: None,
        late: LateChoice::default(),
        mode: None,
        source: None,
        relatch: false,
        extras: StreamExtrasChange::default(),
        ingress: CryptoChange::Keep,
        egress: CryptoChange::Keep,
    };
    Configure::of(at.context, at.termination, vec![change])
}

fn install_ingress(world: &mut World, at: &TerminationReply, seed: u8) -> Result<(), Refused> {
    let mut configure = change(at);
    configure.streams[0].ingress = CryptoChange::Install(ingress(seed));
    world.transact(vec![Command::Configure(configure)]).map(drop)
}

pub(crate) fn slot(at: &TerminationReply) -> KeySlot {
    KeySlot { context: at.context, termination: at.termination, stream: StreamId(1) }
}

//= tests/spec/iq.md#keys
//= type=test
//# A key for both directions of a stream MUST be refused.
#[test]
fn the_same_key_for_both_directions_is_refused() {
    let mut world = World::new(Policy::default());
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].ingress = Some(ingress(1));
    reserve.streams[0].egress = Some(egress(1));
    let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
    assert_eq!(refused.error.field(), Some("streams[0].egress_crypto.keys[0]"));
    assert!(world.ports.open.is_empty());
}

#[test]
fn the_same_key_under_another_salt_is_the_same_key() {
    let mut world = World::new(Policy::default());
    secured_call(&mut world);
    let mut octets = [1; 30];
    octets[29] = 9;
    let suite = Suite::AesCm128HmacSha1_80;
    let key = IngressKey::new(MasterKey::from_concatenated(suite, &octets).unwrap());
    let mut other = access(ContextChoice::New);
    other.streams[0].ingress = Some(crypto(vec![key]));
    let refused = world.transact(vec![Command::Reserve(other)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
}

//= tests/spec/iq.md#keys
//= type=test
//# A key that another stream uses MUST be refused.
#[test]
fn a_key_of_another_call_is_refused_until_that_call_has_ended() {
    let mut world = World::new(returning());
    let first = secured_call(&mut world);
    let other = |seed| {
        let mut other = access(ContextChoice::New);
        other.streams[0].ingress = Some(ingress(seed));
        vec![Command::Reserve(other)]
    };
    for seed in [1, 2] {
        assert_eq!(world.transact(other(seed)).unwrap_err().error.reason(), Reason::KeyReuse);
    }
    let release = agw_context::Release { context: first.context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    world.transact(other(1)).unwrap();
    let refused = world.transact(other(2)).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse, "the gateway has sealed under it");
}

//= tests/spec/iq.md#keys
//= type=test
//# A new peer address on a secured leg MUST come with a new key.
#[test]
fn a_moved_peer_needs_new_keys_both_ways_and_starts_at_roc_0() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    let moved = |opens, seals| {
        let mut configure = change(&leg);
        configure.streams[0].remote = Some(remote("127.0.0.1:6000"));
        configure.streams[0].ingress = opens;
        configure.streams[0].egress = seals;
        vec![Command::Configure(configure)]
    };
    let opens = |seed| CryptoChange::Install(ingress(seed));
    let seals = |seed| CryptoChange::Install(egress(seed));
    for (opening, sealing, field) in [
        (CryptoChange::Keep, seals(4), "ingress_crypto"),
        (opens(1), seals(4), "ingress_crypto"),
        (opens(3), CryptoChange::Keep, "egress_crypto"),
        (opens(3), seals(2), "egress_crypto"),
        (CryptoChange::Remove, CryptoChange::Keep, "egress_crypto"),
        (CryptoChange::Keep, CryptoChange::Remove, "ingress_crypto"),
    ] {
        let refused = world.transact(moved(opening, sealing)).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyRequired);
        assert_eq!(refused.error.field(), Some(format!("streams[0].{field}").as_str()));
    }
    let outcome = world.transact(moved(opens(3), seals(4))).unwrap();
    let rocs: Vec<RocOnRekey> = outcome.work[0].steps.iter().filter_map(installed_roc).collect();
    assert_eq!(rocs, [RocOnRekey::Reset; 2]);
}

//= tests/spec/iq.md#keys
//= type=test
//# A key in force MUST stay for a new peer address only where the controller says that its
//# rollover counters go on.
#[test]
fn a_moved_peer_keeps_its_keys_where_their_counters_go_on() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    for (said, is_taken) in [(RocOnRekey::Reset, false), (RocOnRekey::Keep, true)] {
        let mut configure = change(&leg);
        configure.streams[0].remote = Some(remote("127.0.0.1:6000"));
        let opens = CryptoContext { roc: Some(said), ..ingress(1) };
        configure.streams[0].ingress = CryptoChange::Install(opens);
        configure.streams[0].egress = CryptoChange::Install(egress(4));
        let outcome = world.transact(vec![Command::Configure(configure)]);
        let Ok(outcome) = outcome else {
            assert!(!is_taken, "{said:?}");
            continue;
        };
        let rocs: Vec<_> = outcome.work[0].steps.iter().filter_map(installed_roc).collect();
        assert_eq!((is_taken, rocs), (true, vec![RocOnRekey::Keep, RocOnRekey::Reset]));
    }
}

#[test]
fn what_the_controller_says_of_the_rollover_counter_wins_when_the_peer_moves() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    let mut seed = 10;
    for (port, said, installed) in [
        (6000, Some(RocOnRekey::Set(5)), RocOnRekey::Set(5)),
        (6002, Some(RocOnRekey::Keep), RocOnRekey::Keep),
        (6004, None, RocOnRekey::Reset),
    ] {
        let mut configure = change(&leg);
        configure.streams[0].remote = Some(remote(&format!("127.0.0.1:{port}")));
        let (mut opening, mut sealing) = (ingress(seed), egress(seed + 1));
        (opening.roc, sealing.roc) = (said, said);
        seed += 2;
        configure.streams[0].ingress = CryptoChange::Install(opening);
        configure.streams[0].egress = CryptoChange::Install(sealing);
        let outcome = world.transact(vec![Command::Configure(configure)]).unwrap();
        let steps = &outcome.work[0].steps;
        let rocs: Vec<RocOnRekey> = steps.iter().filter_map(installed_roc).collect();
        assert_eq!(rocs, [installed; 2]);
    }
    // The key that an offer repeated before the answer came from elsewhere.
    let mut configure = change(&leg);
    configure.streams[0].remote = Some(remote("127.0.0.1:6006"));
    configure.streams[0].ingress = CryptoChange::Install(ingress(seed));
    let mut repeated = egress(seed - 1);
    repeated.roc = Some(RocOnRekey::Keep);
    configure.streams[0].egress = CryptoChange::Install(repeated);
    world.transact(vec![Command::Configure(configure)]).unwrap();
}

fn installed_roc(step: &Step) -> Option<RocOnRekey> {
    if let Step::IngressCrypto(_, IngressCrypto::Install { roc, .. })
    | Step::EgressCrypto(_, EgressCrypto::Install { roc, .. }) = step
    {
        Some(*roc)
    } else {
        None
    }
}

//= tests/spec/srtp.md#suites
//= type=test
//# The NULL cipher MUST be refused unless policy allows it.
#[test]
fn bad_keys_are_refused_by_field_and_reason() {
    let with_mki = |seed, mki: &[u8]| {
        let mut key = IngressKey::new(master(seed));
        key.mki = Some(Mki::new(mki).unwrap());
        key
    };
    let mut short_lived = IngressKey::new(master(4));
    short_lived.lifetime = Lifetime { srtp: 0, srtcp: 10 };
    let null = MasterKey::from_concatenated(Suite::NullHmacSha1_80, &[5; 30]).unwrap();
    let zero = MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &[0; 30]).unwrap();
    let cases: Vec<(Vec<IngressKey>, Reason)> = vec![
        (vec![], Reason::FieldMissing),
        (vec![IngressKey::new(master(1)), IngressKey::new(master(2))], Reason::MkiMismatch),
        (vec![with_mki(1, &[1]), with_mki(2, &[1])], Reason::MkiMismatch),
        (vec![with_mki(1, &[1]), with_mki(2, &[0, 2])], Reason::MkiMismatch),
        (vec![with_mki(1, &[1]), with_mki(1, &[2])], Reason::KeyReuse),
        (vec![short_lived], Reason::LifetimeRange),
        (vec![IngressKey::new(null)], Reason::SuiteRefused),
        (vec![IngressKey::new(zero)], Reason::KeyWeak),
    ];
    let mut world = World::new(Policy::default());
    for (keys, reason) in cases {
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].ingress = Some(crypto(keys));
        let refused = world.transact(vec![Command::Reserve(reserve)]).unwrap_err();
        assert_eq!(refused.error.reason(), reason, "{refused}");
        let field = refused.error.field().unwrap();
        assert!(field.starts_with("streams[0].ingress_crypto"), "{field}");
    }
}

//= tests/spec/iq.md#keys
//= type=test
//# Keys for a leg that is not secured MUST be refused.
#[test]
fn keys_on_a_plain_leg_and_unencrypted_sessions_are_refused() {
    let mut world = World::new(Policy::default());
    let mut plain = core(ContextChoice::New);
    plain.streams[0].egress = Some(egress(1));
    let refused = world.transact(vec![Command::Reserve(plain)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::CryptoOnPlainTransport);

    let mut unencrypted = access(ContextChoice::New);
    let mut context = ingress(1);
    context.parameters.unencrypted_srtp = true;
    unencrypted.streams[0].ingress = Some(context);
    let refused = world.transact(vec![Command::Reserve(unencrypted)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::SessionParameterRefused);
}

#[test]
fn a_staged_key_is_activated_once_or_cancelled() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    let slot = slot(&leg);
    let stage = |seed| {
        let key = DirectedKey::Egress(EgressKey::new(master(seed)));
        vec![Command::StageKey(StageKey { slot, key })]
    };
    let direction = Direction::Egress;
    let activate = || {
        vec![Command::ActivateKey(ActivateKey {
            slot,
            direction,
            roc: RocOnRekey::Keep,
            overlap: None,
            at: None,
        })]
    };
    let cancel = || vec![Command::CancelKey(CancelKey { slot, direction })];

    let nothing = world.transact(activate()).unwrap_err();
    assert_eq!(nothing.error.reason(), Reason::NothingStaged);
    assert_eq!(world.transact(stage(2)).unwrap_err().error.reason(), Reason::KeyReuse);
    world.transact(stage(3)).unwrap();
    world.transact(cancel()).unwrap();
    assert_eq!(world.transact(cancel()).unwrap_err().error.reason(), Reason::NothingStaged);
    world.transact(stage(3)).unwrap();
    world.transact(activate()).unwrap();
    assert_eq!(world.transact(activate()).unwrap_err().error.reason(), Reason::NothingStaged);
    assert_eq!(world.transact(stage(2)).unwrap_err().error.reason(), Reason::KeyReuse);
}

#[test]
fn a_staged_key_that_its_mki_put_in_force_is_no_longer_staged() {
    let mut world = World::new(Policy::default());
    let key = |seed, mki| {
        let mut key = IngressKey::new(master(seed));
        key.mki = Some(Mki::new(&[mki]).unwrap());
        key
    };
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].ingress = Some(crypto(vec![key(1, 1)]));
    let leg = world.reserve(reserve);
    let key = DirectedKey::Ingress(key(2, 2));
    world.transact(vec![Command::StageKey(StageKey { slot: slot(&leg), key })]).unwrap();
    let view = |world: &World| {
        let view = world.gateway.context(&world.controller, leg.context).unwrap();
        view.terminations[0].streams[0].ingress_key.clone().unwrap()
    };
    assert!(view(&world).staged.is_some());

    let report = Report::IngressKey(IngressId(0), KeyEvent::Activated { number: 1 });
    world.gateway.handle_report(report, std::time::SystemTime::UNIX_EPOCH);
    assert!(view(&world).staged.is_none());
    assert_eq!(view(&world).mkis, [vec![2]]);
    let last = world.gateway.events_after(1, 10).unwrap().pop().unwrap();
    assert_eq!(last.kind, EventKind::KeyActivated { direction: Direction::Ingress, group: None });
}

/// A key as tests tell it apart: octets of key and salt, suite, identifier.
fn sealing(suite: Suite, key: u8, salt: u8, mki: Option<u8>) -> EgressKey {
    let mut octets = vec![key; suite.key_len()];
    octets.resize(suite.key_len() + suite.salt_len(), salt);
    let mut key = EgressKey::new(MasterKey::from_concatenated(suite, &octets).unwrap());
    key.mki = mki.map(|mki| Mki::new(&[mki]).unwrap());
    key
}
