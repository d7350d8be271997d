//! T17: protection that is talked away.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Call, Endpoint, Key, Side, api};

use crate::scene::{SUITE, Scene};

const TITLE: &str = "protection taken back: plain media on SRTP, weak parameters";

#[test]
fn plain_media_on_a_secured_leg_goes_nowhere() {
    let Some(mut scene) = Scene::new("T17", TITLE) else { return };
    let (forger, phone) = (scene.attackers.forger(), scene.call.access.address());
    let [rtp_port, rtcp_port, ..] = scene.ports();
    let media: Vec<_> = (0..400).map(|n| rtp(Call::ACCESS, 300 + n, n.into())).collect();
    let reasons = [
        "authentication",
        "authentication_limited",
        "implausible",
        "malformed",
        "too_old",
        "replay",
    ];
    scene.attack(media, |packet| forger.send(phone, rtp_port, packet), &reasons);
    let mut control = phone;
    control.set_port(scene.call.access.control_address().port());
    let reports: Vec<_> = (0..200).map(|number| rtcp(Call::ACCESS, number)).collect();
    let reasons =
        ["unencrypted", "authentication", "authentication_limited", "implausible", "malformed"];
    scene.attack(reports, |packet| forger.send(control, rtcp_port, packet), &reasons);
    scene.goes_on();
}

#[test]
fn parameters_that_weaken_protection_are_refused_unless_policy_names_them() {
    let Some(mut scene) = Scene::new("T17", TITLE) else { return };
    let line = |parameters: &str| pb::CryptoContext {
        sdes_line: format!("{} {parameters}", Key::random(SUITE).sdes_line(1)),
        ..pb::CryptoContext::default()
    };
    let mut weak: Vec<_> = [
        "UNENCRYPTED_SRTP",
        "UNENCRYPTED_SRTCP",
        "UNAUTHENTICATED_SRTP",
        "KDR=1",
        "KDR=24",
        "FEC_ORDER=SRTP_FEC",
    ]
    .map(line)
    .into();
    weak.extend(
        [Suite::NullHmacSha1_80, Suite::NullHmacSha1_32].map(|suite| Key::random(suite).crypto()),
    );
    let plain_instead = api::plain(1, &Endpoint::plain(Side::Access.peer()));
    for crypto in &weak {
        for (ingress, egress) in [
            (crypto.clone(), Key::random(SUITE).crypto()),
            (Key::random(SUITE).crypto(), crypto.clone()),
        ] {
            let endpoint = Endpoint::plain(Side::Access.peer());
            let stream = api::secured(1, &endpoint, &ingress, &egress);
            let reserve = api::reserve("access", vec![stream]);
            let outcome = scene.gateway.wait(scene.gateway.iq.reserve_and_configure(reserve));
            let refused = outcome.expect_err("a refusal");
            assert!(refused.reason.is_some(), "{refused:?}");
            scene.row.tried(1);
        }
    }
    // A plain stream does not carry keys for later.
    let keyed = pb::Stream { ingress_crypto: Some(Key::random(SUITE).crypto()), ..plain_instead };
    let reserve = api::reserve("access", vec![keyed]);
    assert!(scene.gateway.wait(scene.gateway.iq.reserve_and_configure(reserve)).is_err());
    scene.row.tried(1);
    scene.goes_on();
}
