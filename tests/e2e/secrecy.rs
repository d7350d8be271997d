//! Keys go in and never come out: not in logs, metrics, answers or error texts.

use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Call, Endpoint, Gateway, Key, Leg, Side, api};

const SUITES: [Suite; 4] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AesCm256HmacSha1_80,
    Suite::AeadAes256Gcm,
];
const CALLS: usize = 60;

//= tests/spec/iq.md#daemon
//= type=test
//# Keys MUST NOT appear in logs, errors or metrics.
//= tests/spec/iq.md#keys
//= type=test
//# No call of the API MUST ever give a key back.
#[test]
fn of_300_keys_none_is_found_anywhere() {
    let gateway = Gateway::with(&["log.filter=debug,agwd=trace", "policy.port_rest_ms=1"]);
    let mut keys = Vec::new();
    let mut told = String::new();
    for number in 0..CALLS {
        let suite = SUITES[number % SUITES.len()];
        let four = [(); 4].map(|()| Key::random(suite));
        let [a, b, c, d] = &four;
        let access = Leg::secured(Side::Access.peer(), a, b).multiplexing();
        let core = Leg::secured(Side::Access.peer(), c, d).multiplexing();
        let mut call = Call::between(&gateway, access, core);
        call.talk();
        call.report();
        let staged = Key::random(suite);
        let stage = api::stage_ingress(call.context, &staged);
        gateway.wait(gateway.iq.stage_key(stage)).expect("a staged key");
        told.push_str(&refusals(&gateway, &four));
        let audit = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
        told.push_str(&format!("{audit:?}"));
        let end = gateway.wait(gateway.iq.release(api::release(call.context))).expect("the end");
        told.push_str(&format!("{end:?}"));
        keys.extend(four);
        keys.push(staged);
    }
    told.push_str(&gateway.ledger().page("/metrics"));
    gateway.daemon.program.signal("TERM");
    let finished = gateway.daemon.program.finish();
    assert!(finished.output.len() > 1000, "the log is empty: nothing was looked at");
    told.push_str(&finished.output);

    assert_eq!(keys.len(), 300);
    for key in &keys {
        for trace in traces(key) {
            assert!(!told.contains(&trace), "a key was told: {trace}");
        }
    }
}

/// The texts of refusals of requests with these keys.
fn refusals(gateway: &Gateway, keys: &[Key; 4]) -> String {
    let endpoint = Endpoint::plain(Side::Access.peer());
    let [a, b, ..] = keys;
    let mut long = a.crypto();
    long.keys[0].key.push(0);
    let line = pb::CryptoContext {
        sdes_line: format!("{}|2^99", b.sdes_line(1)),
        ..pb::CryptoContext::default()
    };
    let mut texts = String::new();
    for bad in [a.crypto(), b.crypto(), long, line] {
        let stream = api::secured(1, &endpoint, &bad, &Key::random(b.suite).crypto());
        let reserve = api::reserve("access", vec![stream]);
        let refused =
            gateway.wait(gateway.iq.reserve_and_configure(reserve)).expect_err("a refusal");
        texts.push_str(&format!("{refused} {refused:?}\n"));
    }
    texts
}

/// How a key would look: in hexadecimal digits, in base64, as a list of numbers.
fn traces(key: &Key) -> Vec<String> {
    let list = |octets: &[u8]| {
        let numbers: Vec<_> = octets.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    };
    let (hex, base64) = (key.hex(), key.base64());
    let salt = key.suite.key_len() * 2;
    vec![
        hex[..16].to_owned(),
        hex[..16].to_uppercase(),
        hex[salt..salt + 16].to_owned(),
        base64[..12].to_owned(),
        base64[base64.len() - 14..].trim_end_matches('=').to_owned(),
        list(&key.octets[..6]),
        list(&key.octets[key.suite.key_len()..][..6]),
    ]
}
