//! What a request chooses of a call besides addresses and keys: dropping, encryption, protection of
//! signalling, and what is told of its media.

use agw_testkit::libsrtp::{OracleKey, SessionSpec, Sources};
use agw_tests::{Endpoint, Entry, Gateway, Key, Side};
use serde_json::{Value, json};

use super::proxy::{Form, Proxy};
use super::{ON, answer, delete, offer, parties, sdp, set_up};
use crate::alg::party::{Party, lines, talk};

fn at_gates(entry: &Entry) -> u64 {
    entry.drops("ingress_gate") + entry.drops("egress_gate")
}

/// One packet each way, and neither arrives.
fn assert_dropped(gateway: &Gateway, phone: &mut Party, core: &mut Party) {
    let target = at_gates(&gateway.ledger().read()) + 2;
    phone.sends();
    core.sends();
    let after = gateway.ledger().until(|entry| at_gates(entry) >= target && entry.closes());
    assert_eq!(at_gates(&after), target, "{after:?}");
    assert!(phone.endpoint.is_silent() && core.endpoint.is_silent());
}

//= tests/spec/ng.md#gates
//= type=test
//# From `drop-traffic=start` on no media of the call MUST pass, in either direction.
//= tests/spec/ng.md#gates
//= type=test
//# While a call's media is dropped, no answer MUST open its gates.
//= tests/spec/ng.md#gates
//= type=test
//# Media MUST pass again, as signalling has it by then, when its dropping stops.
#[test]
fn the_traffic_of_a_call_is_dropped_from_start_to_stop() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Bencode);
    let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
        return;
    };
    set_up(&mut proxy, "dropped", &mut phone, &mut core);
    talk(&mut phone, &mut core);
    let description = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
    let again = |flags: Value| {
        let mut request = offer("dropped", &description);
        request["to-tag"] = json!("core");
        request["flags"] = flags;
        request
    };

    sdp(&proxy.ask(&again(json!(["drop-traffic=start"]))));
    assert_dropped(&gateway, &mut phone, &mut core);
    sdp(&proxy.ask(&answer("dropped", &core.describe("RTP/AVP", &[]))));
    assert_dropped(&gateway, &mut phone, &mut core);
    sdp(&proxy.ask(&again(json!(["drop-traffic=stop"]))));
    talk(&mut phone, &mut core);

    let mut answered = answer("dropped", &core.describe("RTP/AVP", &[]));
    answered["drop-traffic"] = json!("start");
    sdp(&proxy.ask(&answered));
    assert_dropped(&gateway, &mut phone, &mut core);
}

//= tests/spec/ng.md#reports
//= type=test
//# A query MUST tell what each media line carries: audio, video or other.
#[test]
fn a_query_tells_what_each_media_line_carries() {
    let gateway = Gateway::with(ON);
    let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
    let ip = Side::Access.peer();
    let lines =
        "m=video 40002 RTP/AVP 99\r\nm=text 40004 RTP/AVP 98\r\nm=audio 40000 RTP/AVP 8\r\n";
    let description =
        format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{lines}");
    sdp(&proxy.ask(&offer("kinds", description.as_bytes())));
    let told = proxy.ask(&json!({ "command": "query", "call-id": "kinds" }));
    let kinds: Vec<_> = (0..3).map(|line| &told["tags"]["phone"]["medias"][line]["type"]).collect();
    assert_eq!(kinds, ["video", "other", "audio"], "{told}");
    proxy.ask(&delete("kinds"));
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# Keys MUST NOT go over signalling that the request, or else the configuration, says is not protected.
#[test]
fn keys_go_over_signalling_only_that_is_said_to_be_protected() {
    let refused = "keys are not exchanged over unprotected signalling (RFC 4568 §8.3)";
    for (settings, flags, is_taken) in [
        (&[][..], &[][..], true),
        (&[], &["protected-signalling=receiver"], false),
        (&["ng.protected_signalling=false"], &[], false),
        (&["ng.protected_signalling=false"], &["protected-signalling=sender"], true),
        (&["ng.protected_signalling=false", "alg.allow_unprotected_signalling=true"], &[], true),
    ] {
        let gateway = Gateway::with(&[ON, settings].concat());
        let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
        let Some((phone, _)) = parties(Side::Access.peer(), Side::Core.peer()) else { return };
        let description = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
        let mut request = offer("clear", &description);
        request["flags"] = json!(flags);
        let told = proxy.ask(&request);
        let reason = told["error-reason"].as_str();
        assert_eq!(reason, (!is_taken).then_some(refused), "{settings:?} {flags:?}: {told}");
    }
}

//= tests/spec/sdp.md#offer-and-answer
//= type=test
//# A crypto line in an answer to an offer of RTP MUST go no further, and make the answer refused if
//# the mode is strict.
#[test]
fn a_key_that_nobody_asked_for_goes_no_further_and_media_is_plain_or_the_answer_refused() {
    for is_strict in [false, true] {
        let strict = format!("alg.strict={is_strict}");
        let gateway = Gateway::with(&[ON, &[strict.as_str()]].concat());
        let mut proxy = Proxy::udp(gateway.daemon.ng_udp[0], Form::Json);
        let Some((mut phone, mut core)) = parties(Side::Access.peer(), Side::Core.peer()) else {
            return;
        };
        let description = phone.describe("RTP/SAVP", &[&phone.key().sdes_line(1)]);
        core.reads(sdp(&proxy.ask(&offer("unasked", &description))), None);
        // As baresip answers for which SRTP is optional.
        let unasked = Key::random(phone.key().suite).sdes_line(1);
        let told = proxy.ask(&answer("unasked", &core.describe("RTP/AVP", &[&unasked])));
        if is_strict {
            let reason = "media line 1: an answer has no crypto line where its offer has none \
                          (RFC 4568 §5.1.2)";
            assert_eq!(told, json!({ "result": "error", "error-reason": reason }));
            continue;
        }
        assert!(!sdp(&told).contains(&unasked), "{told}");
        phone.reads(sdp(&told), None);
        talk(&mut phone, &mut core);
    }
}

/// An offer of the core towards a phone, without encryption.
fn towards_phone(core: &Party) -> Value {
    let mut request = offer("unencrypted", &core.describe("RTP/AVP", &[]));
    request["from-tag"] = json!("core");
    request["transport-protocol"] = json!("RTP/SAVP");
    request["direction"] = json!(["core", "access"]);
    request["SDES"] = json!(["unencrypted_srtp", "only-AES_CM_128_HMAC_SHA1_80"]);
    request
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# SRTP without encryption MUST be offered only where it is asked for and policy allows it.
#[test]
fn srtp_without_encryption_passes_where_policy_allows_it_and_is_refused_elsewhere() {
    let core = Party::core(Side::Core.peer(), 0xCCCC_0001);
    let strict = Gateway::with(ON);
    let told = Proxy::udp(strict.daemon.ng_udp[0], Form::Json).ask(&towards_phone(&core));
    let reason = "UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP are not offered: policy.allow_unencrypted \
                  is off";
    assert_eq!(told, json!({ "result": "error", "error-reason": reason }));
    drop(strict);

    let gateway = Gateway::with(&[ON, &["policy.allow_unencrypted=true"]].concat());
    let Ok(library) = agw_testkit::libsrtp::Libsrtp::load() else {
        return agw_testkit::peer::skip(agw_testkit::libsrtp::PEER);
    };
    let (mut core, mut proxy) = (core, Proxy::udp(gateway.daemon.ng_udp[0], Form::Json));
    let mut phone = Party::core(Side::Access.peer(), 0xAAAA_0001);
    let offered = proxy.ask(&towards_phone(&core));
    let line = lines(sdp(&offered)).remove(0);
    assert!(sdp(&offered).contains(" UNENCRYPTED_SRTP\r\n"), "{offered}");
    phone.reads(sdp(&offered), None);
    let key = Key::random(line.key.suite);
    let attribute = format!("{} UNENCRYPTED_SRTP", key.sdes_line(line.tag));
    let mut answered = answer("unencrypted", &phone.describe("RTP/SAVP", &[&attribute]));
    (answered["from-tag"], answered["to-tag"]) = (json!("core"), json!("phone"));
    answered["rtpp-flags"] = json!("RTP/AVP");
    core.reads(sdp(&proxy.ask(&answered)), None);

    let session = |key: &Key, sources| {
        let keys = vec![OracleKey { octets: key.octets.clone(), mki: Vec::new() }];
        let spec = SessionSpec {
            suite: key.suite,
            keys,
            sources,
            window: 128,
            allow_repeat_tx: false,
            unencrypted_srtp: true,
            unencrypted_srtcp: false,
        };
        library.session(&spec).expect("a session")
    };
    let mut opens = session(&line.key, Sources::AnyInbound);
    let packet = core.sends();
    let sealed = phone.endpoint.receive_octets();
    assert_eq!(sealed.get(..packet.len()), Some(packet.as_slice()), "in clear");
    assert_eq!(opens.unprotect(&sealed).expect("an authentic packet"), packet);
    let mut seals = session(&key, Sources::AnyOutbound);
    let packet = agw_tests::packet::rtp(0xAAAA_0001, 7, 7);
    let endpoint: &Endpoint = &phone.endpoint;
    endpoint.send_octets(&seals.protect(&packet, 0).expect("a sealed packet"));
    assert_eq!(core.hears(), packet);
}
