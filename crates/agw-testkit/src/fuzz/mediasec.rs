//! `mediasec`: REGISTER requests with fields of any octets, to a store of what was agreed.

use std::time::{Duration, Instant};

use agw_sdp::mediasec::{
    Access, CapabilityStore, Header, MediaMechanism, SecurityMechanism, strip_mediasec,
};

use crate::draw::Draw;

const MAX_REQUESTS: usize = 16;
const MAX_UES: usize = 2;
/// What the edge supports; no UE can agree on anything else with it.
const EDGE: Access<'_> = Access {
    mechanisms: &[MediaMechanism::MsrpTls, MediaMechanism::SdesSrtp],
    protected_signalling: true,
};
const UES: [&str; 4] = ["a", "b", "c", "d"];
const NAMES: [&str; 6] =
    ["Security-Client", "security-verify", "Security-Server ", "REQUIRE", "Proxy-Require", "Via"];
const PARTS: [&str; 12] = [
    "sdes-srtp;mediasec",
    "SDES-SRTP ; MediaSec",
    "msrp-tls;mediasec",
    "msrp-tls;mediasec;q=0.1",
    "dtls-srtp;mediasec",
    "ipsec-3gpp;alg=hmac-sha-1-96;spi-c=1",
    "digest;d-ver=\"a\\\",;b\"",
    "mediasec",
    "sec-agree",
    "\"",
    ";",
    "",
];

/// Reads octets as a list of mechanisms, and as choices of requests.
///
/// # Panics
/// If a list does not read as it prints, if the store grows beyond its bounds or agrees on what the
/// edge does not support, or if something of media security is left for the core.
pub fn mediasec(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        prints_as_it_reads(text);
    }
    let mut draw = Draw::new(data);
    let (start, mut store) = (Instant::now(), CapabilityStore::new(MAX_UES, MAX_UES));
    for second in (0..).take(MAX_REQUESTS) {
        if draw.is_empty() {
            break;
        }
        let (ue, now) = (draw.one_of(&UES), start + Duration::from_secs(second));
        match draw.below(8) {
            0..=4 => {
                let mut fields: Vec<Header> =
                    (0..draw.below(5)).map(|_| field(&mut draw)).collect();
                // Whatever cannot be read is for a 400 response; it must not reach the core either.
                let _ = store.on_register(&ue, &fields, &EDGE, now);
                strip_mediasec(&mut fields);
                inspect(&fields);
            }
            5 | 6 => store.on_registered(&ue, now + Duration::from_secs(3), now),
            _ => store.on_deregistered(&ue),
        }
        assert!(store.len() <= MAX_UES && store.unfinished() <= MAX_UES, "the store has bounds");
        let is_agreed = |ue| store.allows(ue, MediaMechanism::DtlsSrtp, now);
        assert!(!UES.iter().any(is_agreed), "nobody agreed on this");
    }
}

fn prints_as_it_reads(text: &str) {
    let Ok(mechanisms) = SecurityMechanism::parse_list(text) else { return };
    let printed: Vec<String> = mechanisms.iter().map(ToString::to_string).collect();
    let again = SecurityMechanism::parse_list(&printed.join(", "));
    assert_eq!(again.as_ref(), Ok(&mechanisms), "a list reads as it prints");
}

fn field(draw: &mut Draw<'_>) -> Header {
    let name = draw.one_of(&NAMES);
    if draw.below(4) == 3 {
        let octets = draw.below(64);
        return Header::new(name, &String::from_utf8_lossy(draw.octets(octets)));
    }
    let count = if draw.below(16) == 15 { 70 } else { draw.below(5) };
    let parts: Vec<&str> = (0..count).map(|_| draw.one_of(&PARTS)).collect();
    Header::new(name, &parts.join(", "))
}

/// Checks what goes on to the core.
fn inspect(fields: &[Header]) {
    for Header { name, value } in fields {
        let name = name.trim().to_ascii_lowercase();
        if name.starts_with("security-") {
            let Ok(left) = SecurityMechanism::parse_list(value) else {
                panic!("a list that cannot be read is left");
            };
            assert!(!left.iter().any(SecurityMechanism::is_media), "a mechanism is left");
        } else if name.ends_with("require") {
            let mut tags = value.split(',');
            assert!(!tags.any(|tag| tag.trim().eq_ignore_ascii_case("mediasec")), "a tag is left");
        }
    }
}
