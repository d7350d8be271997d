//! Keys: what is installed, refused, staged, and when they may come back.

use crate::support::{
    Plane, World, access, core, crypto, egress, ingress, master, remote, termination,
};
use agw_context::{
    ActivateKey, CancelKey, Command, Configure, ContextChoice, CryptoChange, DirectedKey,
    Direction, EventKind, KeySlot, Policy, Reason, Refused, StageKey, StreamChange,
    StreamExtrasChange, StreamId, TerminationReply,
};
use agw_relay::{Command as Step, IngressCrypto, IngressId, Report};
use agw_srtp::{
    EgressKey, IngressKey, KeyEvent, Lifetime, MasterKey, Mki, RocOnRekey, SessionParameters, Suite,
};

/// A call whose access leg opens with key 1 and seals with key 2.
fn secured_call(world: &mut World) -> TerminationReply {
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].remote = Some(remote("127.0.0.1:5000"));
    reserve.streams[0].ingress = Some(ingress(1));
    reserve.streams[0].egress = Some(egress(2));
    let reply = world.reserve(reserve);
    world.reserve(core(ContextChoice::Existing(reply.context)));
    reply
}

fn change(at: &TerminationReply) -> Configure {
    let change = StreamChange {
        id: StreamId(1),
        remote: None,
        mode: None,
        source: None,
        relatch: false,
        extras: StreamExtrasChange::default(),
        ingress: CryptoChange::Keep,
        egress: CryptoChange::Keep,
    };
    Configure {
        context: at.context,
        termination: at.termination,
        streams: vec![change],
        priority: None,
    }
}

fn install_ingress(world: &mut World, at: &TerminationReply, seed: u8) -> Result<(), Refused> {
    let mut configure = change(at);
    configure.streams[0].ingress = CryptoChange::Install(ingress(seed));
    world.transact(vec![Command::Configure(configure)]).map(drop)
}

fn slot(at: &TerminationReply) -> KeySlot {
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
    let mut world = World::new(Policy::default());
    let first = secured_call(&mut world);
    let other = || {
        let mut other = access(ContextChoice::New);
        other.streams[0].ingress = Some(ingress(2));
        vec![Command::Reserve(other)]
    };
    assert_eq!(world.transact(other()).unwrap_err().error.reason(), Reason::KeyReuse);
    let release = agw_context::Release { context: first.context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    world.transact(other()).unwrap();
}

#[test]
fn the_key_in_force_may_be_told_again_and_a_replaced_one_never() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    install_ingress(&mut world, &leg, 1).unwrap();
    install_ingress(&mut world, &leg, 3).unwrap();
    let refused = install_ingress(&mut world, &leg, 1).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
    install_ingress(&mut world, &leg, 3).unwrap();
}

//= tests/spec/iq.md#keys
//= type=test
//# A new peer address on a secured leg MUST come with a new key.
#[test]
fn a_moved_peer_needs_a_new_key_and_starts_at_roc_0() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    let moved = |crypto| {
        let mut configure = change(&leg);
        configure.streams[0].remote = Some(remote("127.0.0.1:6000"));
        configure.streams[0].ingress = crypto;
        vec![Command::Configure(configure)]
    };
    for old_key in [CryptoChange::Keep, CryptoChange::Install(ingress(1))] {
        let refused = world.transact(moved(old_key)).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyRequired);
        assert_eq!(refused.error.field(), Some("streams[0].ingress_crypto"));
    }
    let outcome = world.transact(moved(CryptoChange::Install(ingress(3)))).unwrap();
    let roc = outcome.work[0].steps.iter().find_map(|step| {
        if let Step::IngressCrypto(_, IngressCrypto::Install { roc, .. }) = step {
            Some(*roc)
        } else {
            None
        }
    });
    assert_eq!(roc, Some(RocOnRekey::Reset));
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
    assert!(view(&world).staged);

    let report = Report::IngressKey(IngressId(0), KeyEvent::Activated);
    world.gateway.handle_report(report, std::time::SystemTime::UNIX_EPOCH);
    assert!(!view(&world).staged);
    assert_eq!(view(&world).mkis, [vec![2]]);
    let last = world.gateway.events_after(1, 10).unwrap().pop().unwrap();
    assert_eq!(last.kind, EventKind::KeyActivated { direction: Direction::Ingress });
}

/// A key as tests tell it apart: octets of key and salt, suite, identifier.
fn sealing(suite: Suite, key: u8, salt: u8, mki: Option<u8>) -> EgressKey {
    let mut octets = vec![key; suite.key_len()];
    octets.resize(suite.key_len() + suite.salt_len(), salt);
    let mut key = EgressKey::new(MasterKey::from_concatenated(suite, &octets).unwrap());
    key.mki = mki.map(|mki| Mki::new(&[mki]).unwrap());
    key
}

#[test]
fn keys_told_again_in_another_form_replace_what_waits_as_the_packet_path_does() {
    let suite = Suite::AesCm128HmacSha1_80;
    let short = Suite::AesCm128HmacSha1_32;
    let first = || vec![sealing(suite, 1, 1, Some(1)), sealing(suite, 2, 2, Some(2))];
    let other_forms: [Vec<EgressKey>; 4] = [
        vec![sealing(suite, 2, 2, Some(2)), sealing(suite, 1, 1, Some(1))],
        vec![sealing(suite, 1, 1, Some(2)), sealing(suite, 2, 2, Some(1))],
        vec![sealing(suite, 1, 9, Some(1)), sealing(suite, 2, 2, Some(2))],
        vec![sealing(short, 1, 1, Some(1)), sealing(short, 2, 2, Some(2))],
    ];
    for again in other_forms {
        let mut plane = Plane::new(Policy::default());
        let mut reserve = access(ContextChoice::New);
        reserve.streams[0].egress = Some(crypto(first()));
        let leg = termination(&plane.transact(vec![Command::Reserve(reserve)]).unwrap()[0]);
        let slot = slot(&leg);
        let key = DirectedKey::Egress(sealing(suite, 3, 3, Some(3)));
        plane.transact(vec![Command::StageKey(StageKey { slot, key })]).unwrap();
        let mut configure = change(&leg);
        configure.streams[0].egress = CryptoChange::Install(crypto(again));
        plane.transact(vec![Command::Configure(configure)]).unwrap();
        let (direction, roc) = (Direction::Egress, RocOnRekey::Keep);
        let activate = ActivateKey { slot, direction, roc, overlap: None };
        let refused = plane.transact(vec![Command::ActivateKey(activate)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::NothingStaged);
    }
}

#[test]
fn a_key_in_force_does_not_start_its_counters_anew_in_another_form() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut plane = Plane::new(Policy::default());
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].egress = Some(crypto(vec![sealing(suite, 1, 1, None)]));
    let leg = termination(&plane.transact(vec![Command::Reserve(reserve)]).unwrap()[0]);
    for again in [
        sealing(suite, 1, 1, Some(1)),
        sealing(suite, 1, 9, None),
        sealing(Suite::AesCm128HmacSha1_32, 1, 1, None),
    ] {
        let mut configure = change(&leg);
        let mut context = crypto(vec![again]);
        context.roc = Some(RocOnRekey::Reset);
        configure.streams[0].egress = CryptoChange::Install(context);
        let refused = plane.transact(vec![Command::Configure(configure)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyReuse);
    }
}

//= tests/spec/iq.md#keys
//= type=test
//# A new peer address on a secured leg MUST come with a new key.
#[test]
fn a_moved_peer_needs_new_keys_only() {
    let mut world = World::new(Policy::default());
    let key = |seed, mki| {
        let mut key = IngressKey::new(master(seed));
        key.mki = Some(Mki::new(&[mki]).unwrap());
        key
    };
    let mut reserve = access(ContextChoice::New);
    reserve.streams[0].remote = Some(remote("127.0.0.1:5000"));
    reserve.streams[0].ingress = Some(crypto(vec![key(1, 1), key(2, 2)]));
    let leg = world.reserve(reserve);
    for keys in [vec![key(2, 2)], vec![key(3, 3), key(1, 1)], vec![key(1, 2), key(2, 1)]] {
        let mut configure = change(&leg);
        configure.streams[0].remote = Some(remote("127.0.0.1:6000"));
        let mut context = crypto(keys);
        context.roc = Some(RocOnRekey::Keep);
        configure.streams[0].ingress = CryptoChange::Install(context);
        let refused = world.transact(vec![Command::Configure(configure)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyRequired);
    }
}

#[test]
fn a_key_that_has_sealed_never_seals_again_even_after_its_call() {
    let mut world = World::new(Policy::default());
    let first = secured_call(&mut world);
    let sealing = |seed| {
        let mut other = access(ContextChoice::New);
        other.streams[0].egress = Some(egress(seed));
        Command::Reserve(other)
    };
    let release =
        Command::Release(agw_context::Release { context: first.context, termination: None });
    let moved = world.transact(vec![release, sealing(2)]).unwrap_err();
    assert_eq!((moved.command, moved.error.reason()), (1, Reason::KeyReuse));

    let release = agw_context::Release { context: first.context, termination: None };
    world.transact(vec![Command::Release(release)]).unwrap();
    // What the peer sealed with is no key to seal with either; to open with, it may come back.
    for seed in [1, 2] {
        let refused = world.transact(vec![sealing(seed)]).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyReuse);
        assert_eq!(refused.error.field(), Some("streams[0].egress_crypto.keys[0]"));
    }
    let mut again = access(ContextChoice::New);
    again.streams[0].ingress = Some(ingress(1));
    let leg = world.reserve(again);
    let key = DirectedKey::Egress(EgressKey::new(master(4)));
    let mut configure = change(&leg);
    configure.streams[0].egress = CryptoChange::Install(egress(3));
    world.transact(vec![Command::Configure(configure)]).unwrap();
    world.transact(vec![Command::StageKey(StageKey { slot: slot(&leg), key })]).unwrap();
    let key = DirectedKey::Egress(EgressKey::new(master(2)));
    let stage = vec![Command::StageKey(StageKey { slot: slot(&leg), key })];
    assert_eq!(world.transact(stage).unwrap_err().error.reason(), Reason::KeyReuse);
}

#[test]
fn a_policy_beyond_the_crypto_layers_limits_does_not_mislead_control() {
    let mut plane = Plane::new(Policy { max_sources: u8::MAX, ..Policy::default() });
    let mut reserve = access(ContextChoice::New);
    let mut context = ingress(1);
    context.parameters.max_sources = SessionParameters::MAX_SOURCES + 1;
    reserve.streams[0].ingress = Some(context);
    let refused = plane.transact(vec![Command::Reserve(reserve)]).unwrap_err();
    assert_eq!(refused.error.field(), Some("streams[0].ingress_crypto.parameters.max_sources"));
}

#[test]
fn keys_that_a_long_call_has_forgotten_are_free_to_open_and_never_seal() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    let key = |number: u16| {
        let mut octets = [7; 30];
        octets[..2].copy_from_slice(&number.to_be_bytes());
        MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &octets).unwrap()
    };
    for number in 0..5000 {
        let mut configure = change(&leg);
        let keys = vec![IngressKey::new(key(number))];
        configure.streams[0].ingress = CryptoChange::Install(crypto(keys));
        world.transact(vec![Command::Configure(configure)]).unwrap();
    }
    let mut opening = access(ContextChoice::New);
    opening.streams[0].ingress = Some(crypto(vec![IngressKey::new(key(0))]));
    world.reserve(opening);
    let mut sealing = access(ContextChoice::New);
    sealing.streams[0].egress = Some(crypto(vec![EgressKey::new(key(1))]));
    let refused = world.transact(vec![Command::Reserve(sealing)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
}
