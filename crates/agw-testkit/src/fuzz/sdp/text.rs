//! Descriptions from choices, and what must hold of those that leave.

use agw_sdes::{CryptoAttribute, CryptoTag, InlineKey, Mode};
use agw_sdp::SessionDescription;
use agw_srtp::Suite;

use crate::draw::Draw;

const PROTOCOLS: [&str; 6] =
    ["RTP/SAVP", "RTP/AVP", "RTP/SAVPF", "RTP/AVPF", "UDP/TLS/RTP/SAVP", "TCP/MSRP"];
const CONNECTIONS: [&str; 8] = [
    "c=IN IP4 192.0.2.10",
    "c=IN IP6 2001:db8::10",
    "c=IN IP4 0.0.0.0",
    "c=IN IP4 192.0.2.11",
    "c=IN IP4 10.0.0.1",
    "c=IN IP4 phone.example.net",
    "c=IN IP6 fe80::10%en0",
    "c=IN IP6 2001:db8::11%en0",
];
const LINES: [&str; 17] = [
    "a=3ge2ae:requested",
    "a=3ge2ae: applied",
    "a=sendonly",
    "a=recvonly",
    "a=inactive",
    "a=rtcp-mux",
    "a=rtcp:5001",
    "a=rtcp:5001 IN IP4 192.0.2.12",
    "a=rtcp:5001 IN IP4 phone.example.net",
    "b=AS:64",
    "b=TIAS:64000",
    "b=RR:800",
    "a=rtcp-fb:* nack",
    "a=candidate:1 1 UDP 1 192.0.2.10 4000 typ host",
    "k=clear:secret",
    "a=crypto:1 UNKNOWN_SUITE inline:unknown|2^20",
    "i=information",
];

/// A description of up to four media lines, or any octets.
pub(super) fn description(draw: &mut Draw<'_>) -> Vec<u8> {
    if draw.below(8) == 7 {
        let octets = usize::from(draw.octet());
        return draw.octets(octets).to_vec();
    }
    let mut out = b"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n".to_vec();
    if draw.below(4) != 3 {
        put(&mut out, draw.one_of(&CONNECTIONS));
    }
    for line in 0..draw.below(4) {
        let port = draw.one_of(&[4000, 4002, 0, 65_535]);
        let protocol = draw.one_of(&PROTOCOLS);
        put(&mut out, &format!("m=audio {port} {protocol} 0"));
        if draw.flag() {
            put(&mut out, draw.one_of(&CONNECTIONS));
        }
        for _ in 0..draw.below(4) {
            put(&mut out, draw.one_of(&LINES));
        }
        for tag in 0..draw.below(3) {
            let seed = draw.octet();
            put(&mut out, &crypto(tag + 1, seed ^ u8::try_from(line).unwrap_or_default(), draw));
        }
    }
    if draw.below(16) == 15 {
        out.pop();
    }
    out
}

/// An answer that takes most of an offer: its media lines, and one key for each.
pub(super) fn answer_to(offer: &[u8], draw: &mut Draw<'_>) -> Vec<u8> {
    let mut out = b"v=0\r\n".to_vec();
    put(&mut out, draw.one_of(&CONNECTIONS));
    let mut answered = false;
    for line in String::from_utf8_lossy(offer).lines() {
        if line.starts_with("m=") {
            put(&mut out, line);
            answered = false;
        } else if line.starts_with("a=rtcp-mux") && draw.flag() {
            put(&mut out, line);
        } else if let (Ok(offered), false) =
            (CryptoAttribute::parse(line, Mode::Tolerant), answered)
            && let Some(suite) = offered.known_suite()
            && draw.below(8) != 7
        {
            let seed = draw.octet();
            let Ok(key) = InlineKey::generate(suite, &mut |octets| octets.fill(seed)) else {
                continue;
            };
            if let Ok(answer) = offered.answer(key) {
                put(&mut out, &answer.expose_line());
                answered = true;
            }
        }
    }
    out
}

fn crypto(tag: usize, seed: u8, draw: &mut Draw<'_>) -> String {
    let suite = draw.one_of(&Suite::ALL);
    let tag = u32::try_from(tag).unwrap_or(1);
    let (Ok(one), Ok(tag)) = (CryptoTag::new(1), CryptoTag::new(tag)) else {
        return String::new();
    };
    let tag = if draw.below(8) == 7 { one } else { tag };
    match CryptoAttribute::generate(tag, suite, &mut |octets| octets.fill(seed)) {
        Ok(line) => line.expose_line().to_string(),
        Err(_) => String::new(),
    }
}

fn put(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Checks what leaves against what came.
pub(super) fn inspect(input: &[u8], output: &[u8], is_cut: bool) {
    let (input, output) = (String::from_utf8_lossy(input), String::from_utf8_lossy(output));
    if !output.is_empty() {
        assert!(SessionDescription::parse(output.as_bytes()).is_ok(), "what leaves is unreadable");
    }
    if !is_cut {
        return;
    }
    let theirs: Vec<&str> = input.lines().flat_map(keys).collect();
    for key in output.lines().flat_map(keys) {
        assert!(!theirs.contains(&key), "a key of one side leaves on the other");
    }
    for media in output.split("\nm=").skip(1) {
        let head = media.lines().next().unwrap_or_default();
        let is_live = head.split(' ').nth(1) != Some("0");
        let is_secured = head.contains(" RTP/SAVP");
        let has_key = media.lines().any(|line| line.starts_with("a=crypto:"));
        assert!(has_key || !is_secured || !is_live, "a secured line leaves without a key");
        assert!(is_live || !has_key, "a declined line leaves with a key");
        assert!(!media.contains("\nk="), "another key leaves");
    }
}

/// The keys of a crypto line.
fn keys(line: &str) -> impl Iterator<Item = &str> {
    let is_crypto = line.starts_with("a=crypto");
    let keys = line.split("inline:").skip(1).map(|rest| {
        let end = rest.find(['|', ' ', ';', '\r']).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    });
    keys.filter(move |_| is_crypto)
}
