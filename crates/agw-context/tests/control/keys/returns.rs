//! Keys that return to the call that they were of.

use super::*;

//= tests/spec/iq.md#keys
//= type=test
//# An ingress key that was replaced MUST be taken on its stream again.
#[test]
fn the_key_in_force_may_be_told_again_and_a_replaced_one_returns_to_open_only() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    for seed in [1, 3, 1, 1, 3, 4, 1] {
        install_ingress(&mut world, &leg, seed).unwrap();
    }
    let install = |world: &mut World, seed| {
        let mut configure = change(&leg);
        configure.streams[0].egress = CryptoChange::Install(egress(seed));
        world.transact(vec![Command::Configure(configure)]).map(drop)
    };
    install(&mut world, 5).unwrap();
    for seed in [1, 2, 3, 4] {
        let refused = install(&mut world, seed).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyReuse, "{seed}");
    }
    for seed in [2, 5] {
        let refused = install_ingress(&mut world, &leg, seed).unwrap_err();
        assert_eq!(refused.error.reason(), Reason::KeyReuse, "{seed}");
    }
    // On another stream it is still the first one's.
    let mut other = access(ContextChoice::Existing(leg.context));
    other.streams[0].ingress = Some(ingress(3));
    let refused = world.transact(vec![Command::Reserve(other)]).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
}

//= tests/spec/iq.md#keys
//= type=test
//# An ingress key that returns MUST be refused where more keys came to the call than the gateway
//# remembers.
#[test]
fn no_key_returns_to_a_call_that_has_had_more_than_are_remembered() {
    for (more, returns) in [(0, true), (2, false)] {
        let mut world = World::new(Policy::default());
        let leg = secured_call(&mut world);
        let gone = leg_with(&mut world, leg.context, 3);
        let release = |termination| {
            let release = agw_context::Release { context: leg.context, termination };
            vec![Command::Release(release)]
        };
        world.transact(release(Some(gone))).unwrap();
        // Keys 1 and 3 came before, and come once more.
        let most = u8::try_from(agw_srtp::MAX_FORMER_KEYS).unwrap();
        for seed in 11..11 + most - 3 + more {
            install_ingress(&mut world, &leg, seed).unwrap();
        }
        let outcome = install_ingress(&mut world, &leg, 1);
        assert_eq!(outcome.is_ok(), returns);
        let mut other = access(ContextChoice::Existing(leg.context));
        other.streams[0].ingress = Some(ingress(3));
        let outcome = world.transact(vec![Command::Reserve(other)]);
        assert_eq!(outcome.is_ok(), returns);
        let reasons = [outcome.err()].into_iter().flatten().map(|it| it.error.reason());
        assert!(reasons.into_iter().all(|reason| reason == Reason::KeyReuse));
        // What is new is taken, and another call has its own count.
        install_ingress(&mut world, &leg, 200).unwrap();
    }
}

#[test]
fn a_key_under_another_salt_counts_as_another_one() {
    let mut world = World::new(Policy::default());
    let leg = secured_call(&mut world);
    let suite = Suite::AesCm128HmacSha1_80;
    for salt in 0..=u8::try_from(agw_srtp::MAX_FORMER_KEYS).unwrap() {
        let mut octets = [1; 30];
        octets[16..].fill(salt);
        let key = MasterKey::from_concatenated(suite, &octets).unwrap();
        let mut configure = change(&leg);
        configure.streams[0].ingress = CryptoChange::Install(crypto(vec![IngressKey::new(key)]));
        world.transact(vec![Command::Configure(configure)]).unwrap();
    }
    install_ingress(&mut world, &leg, 3).unwrap();
    let refused = install_ingress(&mut world, &leg, 1).unwrap_err();
    assert_eq!(refused.error.reason(), Reason::KeyReuse);
}

/// One more leg of a call with an ingress key.
fn leg_with(
    world: &mut World,
    context: agw_context::ContextId,
    seed: u8,
) -> agw_context::TerminationId {
    let mut other = access(ContextChoice::Existing(context));
    other.streams[0].ingress = Some(ingress(seed));
    world.reserve(other).termination
}
