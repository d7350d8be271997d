//! T10: media that is to hit somebody else, or the gateway itself.

use std::net::SocketAddr;

use agw_iq::pb;
use agw_tests::packet::rtp;
use agw_tests::{Call, Endpoint, Key, Side, api};
use tonic::Code;

use crate::scene::{SUITE, Scene};

const TITLE: &str = "amplification, reflection and relay to the gateway itself";

#[test]
fn nothing_is_sent_to_a_victim_whose_address_a_packet_bears() {
    let Some(mut scene) = Scene::new("T10", TITLE) else { return };
    let victim = scene.attackers.socket().local_addr().expect("an address");
    let forger = scene.attackers.forger();
    let ports = scene.ports();
    let heard = scene.attackers.heard();
    for (number, port) in ports.into_iter().enumerate() {
        let packets: Vec<_> = (0..500)
            .map(|n| if number < 2 { scene.forged(n) } else { rtp(Call::CORE, n, 1) })
            .collect();
        let reasons: &[&str] = match number {
            0 => &["authentication", "authentication_limited", "implausible", "too_old", "replay"],
            1 => &["wrong_component"],
            _ => &["wrong_source", "wrong_component"],
        };
        scene.attack(packets, |packet| forger.send(victim, port, packet), reasons);
    }
    assert_eq!(scene.attackers.heard(), heard, "the victim was hit");
    // From one of the gateway's ports to another one.
    let loops: Vec<_> = (0..200).map(|n| rtp(Call::CORE, n, 1)).collect();
    let [access, _, core, _] = ports;
    let before = scene.settled();
    for packet in &loops {
        forger.send(core, access, packet);
        forger.send(access, core, packet);
    }
    // The gateway's kernel refuses such sources; what passes is dropped.
    let after = scene.settled();
    assert_eq!(after.forwarded, before.forwarded);
    scene.row.tried(400);
    scene.goes_on();
}

#[test]
fn addresses_that_are_nobodys_or_the_gateways_own_are_refused() {
    let Some(mut scene) = Scene::new("T10", TITLE) else { return };
    let gateway = &scene.gateway;
    let [access, access_rtcp, core, _] = scene.ports();
    let (iq, admin) = (gateway.daemon.iq, gateway.daemon.admin);
    let own = |port: u16| SocketAddr::new(access.ip(), port);
    let refused: Vec<SocketAddr> = [
        "127.0.0.1:5004",
        "127.9.9.9:5004",
        "0.0.0.0:5004",
        "255.255.255.255:5004",
        "224.0.0.1:5004",
        "239.1.2.3:5004",
        "192.0.2.2:0",
    ]
    .into_iter()
    .map(|text| text.parse().expect("an address"))
    .chain([iq, admin, access, access_rtcp, core, own(iq.port()), own(22), own(53)])
    .collect();
    let mut tried = 0;
    for address in refused {
        for secured in [false, true] {
            let mut stream = api::plain(1, &Endpoint::plain(Side::Access.peer()));
            if secured {
                let [one, other] = [SUITE; 2].map(|suite| Key::random(suite).crypto());
                let endpoint = Endpoint::plain(Side::Access.peer());
                stream = api::secured(1, &endpoint, &one, &other);
            }
            let rtp =
                pb::SocketAddress { ip: address.ip().to_string(), port: address.port().into() };
            stream.remote = Some(pb::RemoteAddress { rtp: Some(rtp), rtcp: None });
            let reserve = api::reserve("access", vec![stream]);
            let outcome = gateway.wait(gateway.iq.reserve_and_configure(reserve));
            let refused = outcome.expect_err(&format!("{address} is refused"));
            assert_eq!(refused.code, Code::InvalidArgument, "{address}: {refused:?}");
            tried += 1;
        }
    }
    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(contexts.len(), 1);
    scene.row.tried(tried);
    scene.goes_on();
}
