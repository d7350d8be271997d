//! T9: ports that answer nobody tell nobody anything.

use agw_tests::packet::rtp;
use agw_tests::{Call, Endpoint, Key, Side};

use crate::scene::{ROC, SUITE, Scene};

#[test]
fn whatever_is_sent_to_a_port_of_a_call_nothing_comes_back() {
    let title = "port scans, and answers that tell wrong keys from wrong sources";
    let Some(mut scene) = Scene::new("T9", title) else { return };
    let stranger = scene.attackers.socket();
    let ports = scene.ports();
    // Whoever has the address of the attackers' host would get ICMP errors.
    let heard = scene.attackers.heard();
    let key = Key::random(SUITE);
    let mut thief = Endpoint::secured(Side::Access.peer(), &key, &scene.egress);
    thief.restart(&key, &scene.egress, ROC);
    let mut probes = vec![Vec::new(), vec![0], b"\r\n\r\n".to_vec(), vec![0; 1_400]];
    // STUN, DTLS, ZRTP, a SIP request.
    probes.push([&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat());
    probes.push([&[22, 0xFE, 0xFD][..], &[1; 60]].concat());
    probes.push([&[0x10, 0, 0, 1][..], b"ZRTP", &[3; 40]].concat());
    probes.push(b"OPTIONS sip:agw SIP/2.0\r\n\r\n".to_vec());
    for number in 0..200u16 {
        // The right source and a wrong key; a wrong source; plain.
        probes.push(thief.seal(&rtp(Call::ACCESS, 300 + number, 1)));
        probes.push(thief.seal(&rtp(0x0BAD_0000 + u32::from(number % 50), 100 + number, 1)));
        probes.push(rtp(Call::CORE, 300 + number, 1));
    }
    let before = scene.settled();
    let mut sent = 0;
    for burst in probes.chunks(16) {
        for (probe, port) in burst.iter().flat_map(|probe| ports.map(|port| (probe, port))) {
            stranger.send_to(probe, port).expect("a datagram sent");
            sent += 1;
        }
        scene.call.talk();
    }
    let after = scene.gateway.ledger().after(before.received + sent);
    assert!(after.closes());
    scene.goes_on();

    assert_eq!(scene.attackers.heard(), heard, "a port has answered");
    scene.row.tried(sent);
}
