//! T18, T19: more than a stream may send, valid or not.

use crate::scene::Scene;

#[test]
fn bursts_of_junk_do_not_silence_a_port() {
    let Some(mut scene) = Scene::new("T19", "bursts of junk that silence a port") else { return };
    let stranger = scene.attackers.socket();
    for port in scene.ports() {
        for _ in 0..8 {
            for number in 0..400u16 {
                let junk = [&number.to_be_bytes()[..], &[0x55; 170]].concat();
                stranger.send_to(&junk, port).expect("a datagram sent");
            }
            scene.row.tried(400);
        }
        // What of it found no room before the gateway is the attackers' loss.
        let _ = scene.settled();
        for _ in 0..50 {
            scene.call.talk();
        }
        scene.call.report();
    }
    assert!(scene.call.is_silent());
}
