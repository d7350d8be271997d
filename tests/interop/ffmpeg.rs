//! ffmpeg, which has an SRTP implementation of its own: AES_CM_128_HMAC_SHA1_80 and _32.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::{Key, await_listener};

use crate::rig::{Rig, assert_tone, is_mute};

/// The amplitude of ffmpeg's sine source.
const AMPLITUDE: f64 = 0.125;

#[test]
fn ffmpeg_talks_to_ffmpeg_with_the_80_bit_tag() {
    two_tones(Suite::AesCm128HmacSha1_80);
}

#[test]
fn ffmpeg_talks_to_ffmpeg_with_the_32_bit_tag() {
    two_tones(Suite::AesCm128HmacSha1_32);
}

#[test]
fn ffmpeg_with_a_wrong_key_is_not_heard() {
    let Some(ffmpeg) = peer::program("ffmpeg") else { return };
    let (suite, file) = (Suite::AesCm128HmacSha1_80, "core.raw");
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let rig = Rig::new(&ingress, &egress);
    let listener = rig.run(&mut receiver(&ffmpeg, &rig, Rig::CORE_LISTENS, None, file));
    await_listener(rig.ports().peer(Rig::CORE_LISTENS));

    let wrong = Key::random(suite);
    rig.run(&mut sender(&ffmpeg, rig.access.inlet, Some(&wrong), 440)).succeed();

    let entry = rig.gateway.ledger().after(100);
    assert_eq!(entry.forwarded, 0, "{entry:?}");
    // A source that is never authenticated stays new, and new ones are tried at a limited rate.
    let dropped = entry.drops("authentication") + entry.drops("implausible");
    assert_eq!(dropped, entry.received, "{entry:?}");
    listener.end();
    assert!(is_mute(&rig.file(file)));
}

#[test]
fn ffmpeg_with_a_wrong_key_hears_nothing() {
    let Some(ffmpeg) = peer::program("ffmpeg") else { return };
    let (suite, file) = (Suite::AesCm128HmacSha1_80, "access.raw");
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let rig = Rig::new(&ingress, &egress);
    let wrong = Key::random(suite);
    let listener = rig.run(&mut receiver(&ffmpeg, &rig, Rig::ACCESS_LISTENS, Some(&wrong), file));
    await_listener(rig.ports().peer(Rig::ACCESS_LISTENS));

    rig.run(&mut sender(&ffmpeg, rig.core.inlet, None, 440)).succeed();

    let entry = rig.gateway.ledger().after(100);
    assert_eq!(entry.forwarded, entry.received, "{entry:?}");
    listener.end();
    assert!(is_mute(&rig.file(file)));
}

/// A tone each way, SRTP on the access leg and RTP on the core leg.
fn two_tones(suite: Suite) {
    let Some(ffmpeg) = peer::program("ffmpeg") else { return };
    let (ingress, egress) = (Key::random(suite), Key::random(suite));
    let rig = Rig::new(&ingress, &egress);
    let listeners = [
        receiver(&ffmpeg, &rig, Rig::ACCESS_LISTENS, Some(&egress), "access.raw"),
        receiver(&ffmpeg, &rig, Rig::CORE_LISTENS, None, "core.raw"),
    ]
    .map(|mut command| rig.run(&mut command));
    await_listener(rig.ports().peer(Rig::ACCESS_LISTENS));
    await_listener(rig.ports().peer(Rig::CORE_LISTENS));

    let senders = [
        sender(&ffmpeg, rig.access.inlet, Some(&ingress), 440),
        sender(&ffmpeg, rig.core.inlet, None, 700),
    ]
    .map(|mut command| rig.run(&mut command));

    for program in listeners.into_iter().chain(senders) {
        program.succeed();
    }
    assert_tone(&rig.file("core.raw"), 440.0, AMPLITUDE);
    assert_tone(&rig.file("access.raw"), 700.0, AMPLITUDE);
    let entry = rig.gateway.ledger().after(200);
    assert_eq!(entry.forwarded, entry.received, "{entry:?}");
}

/// Plays three seconds of a tone in real time.
fn sender(ffmpeg: &Path, port: u16, key: Option<&Key>, hertz: u32) -> Command {
    let mut command = quiet(ffmpeg);
    command.args(["-re", "-f", "lavfi", "-i"]);
    command.arg(format!("sine=frequency={hertz}:sample_rate=8000:duration=3"));
    command.args(["-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1", "-f", "rtp"]);
    let scheme = match key {
        Some(key) => {
            command.args(["-srtp_out_suite", name(key.suite)]);
            command.args(["-srtp_out_params", &key.base64()]);
            "srtp"
        }
        None => "rtp",
    };
    command.arg(format!("{scheme}://127.0.0.1:{port}?pkt_size=172"));
    command
}

/// Decodes two seconds of what arrives at a pair of ports.
fn receiver(ffmpeg: &Path, rig: &Rig, pair: u16, key: Option<&Key>, file: &str) -> Command {
    let description = session_description(rig, pair, key);
    let mut command = quiet(ffmpeg);
    command.args(["-protocol_whitelist", "file,rtp,srtp,udp,crypto", "-i"]).arg(description);
    command.args(["-t", "2", "-f", "s16le", "-ar", "8000"]).arg(rig.file(file));
    command
}

fn session_description(rig: &Rig, pair: u16, key: Option<&Key>) -> PathBuf {
    let port = rig.ports().peer(pair);
    let profile = if key.is_some() { "SAVP" } else { "AVP" };
    let mut text = format!(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio {port} RTP/{profile} 8\na=rtpmap:8 PCMA/8000\n"
    );
    if let Some(key) = key {
        let attribute = key.sdes_line(1).replace(key.suite.name(), name(key.suite));
        text.push_str(&format!("{attribute}\n"));
    }
    let file = rig.file(&format!("{pair}.sdp"));
    fs::write(&file, text).expect("a session description");
    file
}

/// ffmpeg's name of a suite. Under the SDES name of the one with the 32-bit tag it gives SRTCP a
/// short tag as well, against RFC 4568 6.2.2; under the DTLS-SRTP name it does not.
fn name(suite: Suite) -> &'static str {
    if suite == Suite::AesCm128HmacSha1_32 { "SRTP_AES128_CM_HMAC_SHA1_32" } else { suite.name() }
}

fn quiet(ffmpeg: &Path) -> Command {
    let mut command = Command::new(ffmpeg);
    command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y"]);
    command
}
