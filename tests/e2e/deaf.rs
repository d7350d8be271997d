//! Legs that hear nothing right any more: the controller is told, however slowly the phone talks.

use std::thread;
use std::time::{Duration, Instant};

use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::packet::rtp_at;
use agw_tests::{Call, Gateway, Key, PATIENCE};

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
const ROC: u32 = 3;

//= tests/spec/relay.md#memory
//= type=test
//# A leg on which every packet has failed its tag for some seconds MUST be told.
#[test]
fn a_phone_that_sends_under_another_key_is_told() {
    let gateway = Gateway::start();
    let (mut call, _, egress) = Call::e2ae_at(&gateway, SUITE, ROC);
    call.talk();
    call.access.restart(&Key::random(SUITE), &egress, ROC);
    assert_deaf(&gateway, &mut call, 1_000);
}

//= tests/spec/relay.md#memory
//= type=test
//# A leg on which every packet has failed its tag for some seconds MUST be told.
#[test]
fn a_phone_whose_rollover_counter_has_gone_on_unheard_is_told() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, ROC);
    call.talk();
    // What it has sent meanwhile, and nobody has heard: the counter is one further than anyone knows.
    for index in (0x3000..0x1_4000).step_by(0x1000) {
        let _lost = call.access.seal(&rtp_at(Call::ACCESS, index));
    }
    assert_deaf(&gateway, &mut call, 0x1_4000);
}

/// Sends until the controller is told that the access leg is deaf.
fn assert_deaf(gateway: &Gateway, call: &mut Call, first: u64) {
    let mut listener = Listener::from_the_start(gateway);
    let deadline = Instant::now() + PATIENCE;
    // 33 packets a second: fewer than what counts as an attack.
    let spoken = thread::scope(|scope| {
        let heard = scope.spawn(|| {
            listener.await_kind(gateway, |kind| matches!(kind, Kind::AuthenticationFailures(_)))
        });
        let mut index = first;
        while !heard.is_finished() && Instant::now() < deadline {
            let sealed = call.access.seal(&rtp_at(Call::ACCESS, index));
            call.access.send_octets(&sealed);
            thread::sleep(Duration::from_millis(30));
            index += 1;
        }
        heard.join().expect("an event")
    });
    assert_eq!(spoken.subject.expect("a stream").termination_id, 1);
    let Some(Kind::AuthenticationFailures(told)) = spoken.kind else { panic!("it was one") };
    assert!(told.deaf_ms.is_some_and(|deaf| deaf >= 2_000), "{told:?}");
    assert!(call.core.is_silent());
}
