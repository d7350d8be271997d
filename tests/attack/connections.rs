//! C4, C5, C6: connections that keep the control side busy; media goes on meanwhile.

use std::io::Write as _;
use std::net::TcpStream;

use agw_iq::client::IqClient;

use crate::http2::Rude;
use crate::row::Row;
use crate::scene::{Scene, resident};

const UNHARMED: (&str, &str) = ("C6", "media starved by the control side");
/// What the daemon may grow by under a flood of frames, in octets.
const GROWTH: u64 = 20 << 20;

/// A controller that is there, one that comes now, and the call: all go on.
fn goes_on(scene: &mut Scene) {
    let gateway = &scene.gateway;
    gateway.wait(gateway.iq.status()).expect("the status");
    let address = format!("http://{}", gateway.daemon.iq);
    let late = gateway.wait(IqClient::connect(&address, None)).expect("a connection");
    gateway.wait(late.status()).expect("the status");
    scene.call.talk();
}

#[test]
fn silent_and_slow_connections_keep_nobody_out() {
    let Some(mut scene) = Scene::new("C4", "silent connections and slow ones") else { return };
    let mut media = Row::new(UNHARMED.0, UNHARMED.1);
    let iq = scene.gateway.daemon.iq;
    let mut silent = Vec::new();
    for number in 0..700usize {
        silent.push(TcpStream::connect(iq).expect("a connection"));
        // Every seventh one says an octet of the preface now and then.
        for slow in silent.iter_mut().step_by(7) {
            let _ = slow.write_all(if number % 97 == 0 { b"P" } else { b"" });
        }
        if number % 20 == 0 {
            goes_on(&mut scene);
            media.tried(2);
        }
    }
    scene.row.tried(700);
    goes_on(&mut scene);
    scene.goes_on();
}

#[test]
fn floods_of_resets_headers_and_pings_harm_no_other_controller_and_no_call() {
    let title = "rapid reset, endless headers, floods of settings";
    let Some(mut scene) = Scene::new("C5", title) else { return };
    let mut media = Row::new(UNHARMED.0, UNHARMED.1);
    let iq = scene.gateway.daemon.iq;
    goes_on(&mut scene);
    let before = resident(&scene.gateway);
    let mut rude = Rude::connect(iq);
    let mut resets = 0u32;
    while resets < 100_000 {
        let taken = rude.reset(100);
        // The gateway hangs up on such a peer: the next one comes.
        if taken == 0 {
            rude = Rude::connect(iq);
        }
        resets += 100;
        if resets.is_multiple_of(2_000) {
            goes_on(&mut scene);
            media.tried(2);
        }
    }
    let mut others = 0;
    for _ in 0..50 {
        let mut endless = Rude::connect(iq);
        others += endless.continue_for(5_000);
        let mut nagging = Rude::connect(iq);
        others += nagging.nag(2_000);
        goes_on(&mut scene);
        media.tried(2);
    }
    let grown = resident(&scene.gateway).saturating_sub(before);
    assert!(grown < GROWTH, "{grown} octets more");
    scene.row.tried(u64::from(resets) + u64::from(others));
    scene.goes_on();
}
