//! GStreamer's srtpenc and srtpdec: the suites that ffmpeg lacks, and MKI.

use std::path::Path;
use std::process::Command;

use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::{Key, await_listener};

use crate::rig::{Rig, assert_tone};

/// The amplitude of GStreamer's test source.
const AMPLITUDE: f64 = 0.8;
/// The SSRC of every sender: srtpdec must be told it.
const SSRC: u32 = 0x1234_5678;
const ELEMENTS: [&str; 6] =
    ["srtpenc", "srtpdec", "rtppcmapay", "alawenc", "audiotestsrc", "udpsink"];

#[test]
fn gstreamer_talks_with_aes_256_in_counter_mode() {
    two_tones(Suite::AesCm256HmacSha1_80, &[], &[]);
}

#[test]
fn gstreamer_talks_with_aes_256_in_counter_mode_and_the_32_bit_tag() {
    two_tones(Suite::AesCm256HmacSha1_32, &[], &[]);
}

#[test]
fn gstreamer_talks_with_aes_128_gcm() {
    two_tones(Suite::AeadAes128Gcm, &[], &[]);
}

#[test]
fn gstreamer_talks_with_aes_256_gcm() {
    two_tones(Suite::AeadAes256Gcm, &[], &[]);
}

#[test]
fn gstreamer_talks_with_an_mki_of_its_own_each_way() {
    two_tones(Suite::AesCm128HmacSha1_80, &[1, 2, 3, 4], &[0xFF, 0, 0x7F]);
}

#[test]
fn gstreamer_talks_with_an_mki_and_gcm() {
    two_tones(Suite::AeadAes128Gcm, &[9], &[1; 8]);
}

/// A tone each way, SRTP on the access leg and RTP on the core leg.
fn two_tones(suite: Suite, ingress_mki: &[u8], egress_mki: &[u8]) {
    let Some(launcher) = peer::gstreamer(&ELEMENTS) else { return };
    let ingress = Key::random(suite).with_mki(ingress_mki);
    let egress = Key::random(suite).with_mki(egress_mki);
    let rig = Rig::new(&ingress, &egress);
    let listeners = [
        receiver(&launcher, &rig, Rig::ACCESS_LISTENS, Some(&egress), "access.raw"),
        receiver(&launcher, &rig, Rig::CORE_LISTENS, None, "core.raw"),
    ]
    .map(|mut command| rig.run(&mut command));
    await_listener(rig.ports().peer(Rig::ACCESS_LISTENS));
    await_listener(rig.ports().peer(Rig::CORE_LISTENS));

    let senders = [
        sender(&launcher, rig.access.inlet, Some(&ingress), 600),
        sender(&launcher, rig.core.inlet, None, 1000),
    ]
    .map(|mut command| rig.run(&mut command));

    for program in listeners.into_iter().chain(senders) {
        program.succeed();
    }
    assert_tone(&rig.file("core.raw"), 600.0, AMPLITUDE);
    assert_tone(&rig.file("access.raw"), 1000.0, AMPLITUDE);
    let entry = rig.gateway.ledger().after(200);
    assert_eq!(entry.forwarded, entry.received, "{entry:?}");
}

/// Plays 110 packets of 20 ms in real time.
fn sender(launcher: &Path, port: u16, key: Option<&Key>, hertz: u32) -> Command {
    let secured = key.map(|key| {
        let (cipher, auth) = names(key.suite);
        let mki = if key.mki.is_empty() { String::new() } else { format!("mki={}", mki(key)) };
        let (octets, control) = (key.hex(), if auth == "null" { "null" } else { "hmac-sha1-80" });
        format!(
            "! srtpenc key={octets} rtp-cipher={cipher} rtp-auth={auth} rtcp-cipher={cipher} \
             rtcp-auth={control} {mki}"
        )
    });
    launch(
        launcher,
        &format!(
            "audiotestsrc is-live=true freq={hertz} num-buffers=110 samplesperbuffer=160 \
             ! audio/x-raw,rate=8000,channels=1 ! alawenc \
             ! rtppcmapay ssrc={SSRC} min-ptime=20000000 max-ptime=20000000 {} \
             ! udpsink host=127.0.0.1 port={port}",
            secured.unwrap_or_default()
        ),
    )
}

/// Decodes the first 75 packets that arrive at a port.
fn receiver(launcher: &Path, rig: &Rig, pair: u16, key: Option<&Key>, file: &str) -> Command {
    let port = rig.ports().peer(pair);
    let mut form = "media=(string)audio,clock-rate=(int)8000,encoding-name=(string)PCMA,\
                    payload=(int)8"
        .to_owned();
    let mut opens = "";
    if let Some(key) = key {
        let (cipher, auth) = names(key.suite);
        let control = if auth == "null" { "null" } else { "hmac-sha1-80" };
        form = format!(
            "application/x-srtp,{form},ssrc=(uint){SSRC},roc=(uint)0,srtp-key=(buffer){},\
             srtp-cipher=(string){cipher},srtp-auth=(string){auth},\
             srtcp-cipher=(string){cipher},srtcp-auth=(string){control}",
            key.hex()
        );
        if !key.mki.is_empty() {
            form.push_str(&format!(",mki=(buffer){}", mki(key)));
        }
        opens = "! srtpdec";
    } else {
        form = format!("application/x-rtp,{form}");
    }
    let file = rig.file(file);
    launch(
        launcher,
        &format!(
            "udpsrc address=127.0.0.1 port={port} num-buffers=75 caps={form} {opens} \
             ! rtppcmadepay ! alawdec ! audio/x-raw,format=S16LE ! filesink location={}",
            file.display()
        ),
    )
}

fn launch(launcher: &Path, pipeline: &str) -> Command {
    let mut command = Command::new(launcher);
    command.arg("-q").args(pipeline.split_whitespace());
    command
}

fn mki(key: &Key) -> String {
    key.mki.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// GStreamer's names of cipher and authentication.
fn names(suite: Suite) -> (&'static str, &'static str) {
    match suite {
        Suite::AesCm128HmacSha1_80 => ("aes-128-icm", "hmac-sha1-80"),
        Suite::AesCm256HmacSha1_80 => ("aes-256-icm", "hmac-sha1-80"),
        Suite::AesCm256HmacSha1_32 => ("aes-256-icm", "hmac-sha1-32"),
        Suite::AeadAes128Gcm => ("aes-128-gcm", "null"),
        Suite::AeadAes256Gcm => ("aes-256-gcm", "null"),
        Suite::AesCm128HmacSha1_32
        | Suite::AesCm192HmacSha1_80
        | Suite::AesCm192HmacSha1_32
        | Suite::AesF8128HmacSha1_80
        | Suite::NullHmacSha1_80
        | Suite::NullHmacSha1_32 => panic!("{} is not tried", suite.name()),
    }
}
