//! T14: keys that would be used twice.

use agw_iq::pb;
use agw_tests::{Endpoint, Key, Side, api};

use crate::scene::{SUITE, Scene};

#[test]
fn keys_in_use_used_before_for_both_directions_or_of_zeros_are_refused() {
    let title = "one key for two directions or streams, keys of zeros";
    let Some(mut scene) = Scene::new("T14", title) else { return };
    let fresh = || Key::random(SUITE);
    let zero = Key { octets: vec![0; fresh().octets.len()], ..fresh() };
    let ended = (fresh(), fresh());
    let (of_ended, to_ended) = &ended;
    let reserve = |ingress: &Key, egress: &Key| {
        let endpoint = Endpoint::plain(Side::Access.peer());
        let stream = api::secured(1, &endpoint, &ingress.crypto(), &egress.crypto());
        let reserve = api::reserve("access", vec![stream]);
        scene.gateway.wait(scene.gateway.iq.reserve_and_configure(reserve))
    };
    let reply = reserve(of_ended, to_ended).expect("a call");
    let release = api::release(reply.context_id);
    scene.gateway.wait(scene.gateway.iq.release(release)).expect("its end");

    let (ingress, egress, one) = (scene.ingress.clone(), scene.egress.clone(), fresh());
    let cases = [
        (one.clone(), one),
        (ingress.clone(), fresh()),
        (fresh(), ingress.clone()),
        (egress.clone(), fresh()),
        (fresh(), egress.clone()),
        (egress.clone(), ingress.clone()),
        (ingress, egress),
        // What was sealed with must never seal again.
        (fresh(), ended.1.clone()),
        (zero.clone(), fresh()),
        (fresh(), zero),
    ];
    let tried = cases.len() as u64;
    for (number, (ingress, egress)) in cases.into_iter().enumerate() {
        let refused = reserve(&ingress, &egress).expect_err("a refusal");
        let reason = refused.reason.as_deref();
        assert!(matches!(reason, Some("KEY_REUSE" | "KEY_WEAK")), "case {number}: {refused:?}");
    }
    // By the way of a re-key.
    let staged = [scene.egress.clone(), Key { octets: vec![0; 30], ..fresh() }];
    for key in &staged {
        for stage in [
            api::stage_ingress(scene.call.context, key),
            api::stage_egress(scene.call.context, &Key { ..scene.ingress.clone() }),
        ] {
            let is_refused = scene.gateway.wait(scene.gateway.iq.stage_key(stage)).is_err();
            assert!(is_refused, "a key in use was staged");
        }
    }
    let swapped = pb::StreamChange {
        ingress_crypto: Some(scene.egress.crypto()),
        egress_crypto: Some(scene.ingress.crypto()),
        ..pb::StreamChange::default()
    };
    let configure = api::configure(scene.call.context, 1, swapped);
    assert!(scene.gateway.wait(scene.gateway.iq.configure(configure)).is_err());
    scene.row.tried(tried + 5);
    scene.goes_on();
}
