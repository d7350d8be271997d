//! Keys that are told again, and those that never come back.

use super::*;

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
        let activate = ActivateKey { slot, direction, roc, overlap: None, at: None };
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
    let mut world = World::new(returning());
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
    let mut world = World::new(returning());
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
