//! Keys and flags.

use agw_context::{DscpRule, Family, SourcePolicy};
use agw_ng::support::{self, Support};
use agw_ng::{E2ae, Options, Refusal, Request, Transport, Value};
use agw_sdp::{MuxRule, OfferedSrtp, Protection, RtcpAttribute};
use agw_srtp::Suite;

fn read(more: &[(&str, Value)]) -> Result<Request, Refusal> {
    let known = [
        ("command", Value::text("offer")),
        ("call-id", Value::text("call")),
        ("from-tag", Value::text("from")),
        ("sdp", Value::text("v=0\r\n")),
    ];
    Request::read(Value::dictionary(known.into_iter().chain(more.iter().cloned())))
}

fn options(more: &[(&str, Value)]) -> Options {
    let Request::Offer(offer) = read(more).unwrap() else { panic!("no offer") };
    offer.options
}

/// The same flags in each of the places where they may stand.
fn everywhere(flags: &str) -> [Options; 3] {
    let list = flags.split_whitespace().map(Value::text).collect();
    [
        options(&[("flags", Value::List(list))]),
        options(&[("flags", Value::text(flags))]),
        options(&[("rtpp-flags", Value::text(flags))]),
    ]
}

//= tests/spec/ng.md#wire
//= type=test
//# A number MUST be read from a string of decimal digits as well.
#[test]
fn what_kamailio_sends_towards_the_core_is_understood() {
    let list = |texts: &[&str]| Value::List(texts.iter().map(Value::text).collect());
    let told = options(&[
        ("supports", list(&["load limit"])),
        ("replace", list(&["origin", "session-connection"])),
        ("ICE", Value::text("remove")),
        ("rtcp-mux", list(&["demux"])),
        ("transport-protocol", Value::text("RTP/AVP")),
        ("received-from", list(&["IP4", "192.0.2.7"])),
        ("sip-message-type", Value::text("request")),
        ("direction", list(&["access", "core"])),
        ("TOS", Value::text("184")),
    ]);
    let (near, far) = (told.near(true), told.far(b"", true));
    assert_eq!((near.realm.as_deref(), far.realm.as_deref()), (Some("access"), Some("core")));
    assert_eq!((near.offered_srtp, far.protection), (OfferedSrtp::Terminate, Protection::Plain));
    assert_eq!((near.mux, far.mux), (MuxRule::Accept, MuxRule::Remove));
    assert_eq!((far.feedback, far.extras.dscp), (Some(false), DscpRule::Set(46)));
    assert_eq!(near.source, Some(SourcePolicy::Latch { within: None }));
    assert!(told.knows_load_limit);
    assert_eq!(told.unknown, 0);
}

//= tests/spec/ng.md#wire
//= type=test
//# A name MUST be read alike with spaces, hyphens and underscores, and in letters of either case.
#[test]
fn what_opensips_sends_towards_a_phone_is_understood() {
    let told = options(&[
        ("transport protocol", Value::text("RTP/SAVPF")),
        ("address family", Value::text("IP6")),
        (
            "flags",
            Value::text(
                "SDES-only-AES_256_CM_HMAC_SHA1_80 SDES-only-AEAD_AES_128_GCM trust-address",
            ),
        ),
        ("rtcp-mux", Value::List(vec![Value::text("require")])),
        ("TOS", Value::Integer(0)),
    ]);
    let far = told.far(b"", true);
    assert_eq!((far.protection, far.feedback), (Protection::Secured, Some(true)));
    assert_eq!((far.family, far.mux), (Some(Family::V6), MuxRule::Require));
    assert_eq!(far.suites, [Suite::AesCm256HmacSha1_80, Suite::AeadAes128Gcm]);
    assert_eq!(told.unknown, 0);
}

#[test]
fn the_receiver_has_the_family_of_the_first_offer_unless_another_is_asked_for() {
    let family = |flags: &str, sdp: &[u8]| {
        let far = everywhere(flags)[0].far(sdp, true);
        (far.family, far.family_of_new)
    };
    let (v4, v6) = (Some(Family::V4), Some(Family::V6));
    assert_eq!(family("", b"v=0\r\nc=IN IP6 2001:db8::1\r\n"), (None, v6));
    assert_eq!(family("", b"c=IN IP4 192.0.2.1\r\n"), (None, v4));
    assert_eq!(family("address-family=IP4", b"c=IN IP6 ::1\r\n"), (v4, v6));
    assert_eq!(family("", b"v=0\r\n"), (None, None));
}

#[test]
fn a_flag_means_the_same_wherever_it_stands() {
    let flags = "RTP/SAVP SDES-no-AES_CM_128_HMAC_SHA1_32 rtcp-mux-offer full-rtcp-attribute \
                 direction=a direction=b e2ae=applied label=bob generate-mid nonsense";
    let [first, second, third] = everywhere(flags);
    assert_eq!(first, second);
    assert_eq!(first, third);
    assert_eq!(first.transport, Some(Transport { secured: true, feedback: false }));
    assert_eq!(first.realms, (Some("a".to_owned()), Some("b".to_owned())));
    assert_eq!(first.rtcp_attribute, RtcpAttribute::Full);
    assert_eq!((first.e2ae, first.unknown), (E2ae::Applied, 1));
    assert_eq!(first.label.as_deref(), Some("bob"));
    assert_eq!(first.far(b"", true).suites, [Suite::AesCm128HmacSha1_80]);
}

#[test]
fn a_string_of_flags_has_lists_in_brackets() {
    let told = options(&[(
        "rtpp-flags",
        Value::text(
            "replace=[zero-address SDP-version] direction=[a b] SDES=[off] rtcp-mux=[offer",
        ),
    )]);
    assert!(told.replace.zero_address && told.replace.version && told.sdes.off && told.mux.offer);
    assert_eq!(told.realms, (Some("a".to_owned()), Some("b".to_owned())));
    assert_eq!(told.unknown, 0);
}

//= tests/spec/ng.md#wire
//= type=test
//# A name MUST be read alike with spaces, hyphens and underscores, and in letters of either case.
//= tests/spec/ng.md#wire
//= type=test
//# A number MUST be read from a string of decimal digits as well.
#[test]
fn the_status_of_a_response_is_read_in_every_spelling_and_ignored_where_it_is_none() {
    for key in ["sip-code", "sip_code", "SIP-code", "SIP code", "sip-response-code"] {
        for value in [Value::Integer(183), Value::text("183")] {
            let told = options(&[(key, value)]);
            assert_eq!((told.status, told.unknown), (Some(183), 0), "{key}");
        }
    }
    for (flags, status, unknown) in [
        ("", None, 0),
        ("sip-code=200", Some(200), 0),
        ("sip_response_code=486", Some(486), 0),
        ("sip-code=<null>", None, 1),
        ("sip-code=99", None, 1),
        ("sip-code=700", None, 1),
        ("sip-code=200 sip-code=<null>", Some(200), 1),
    ] {
        for told in everywhere(flags) {
            assert_eq!((told.status, told.unknown), (status, unknown), "{flags}");
        }
    }
}

//= tests/spec/ng.md#gates
//= type=test
//# Where both are said, `stop` MUST go before `start`.
#[test]
fn traffic_is_dropped_passes_or_is_left_as_it_is() {
    for (flags, drops) in [
        ("", None),
        ("drop-traffic=start", Some(true)),
        ("drop-traffic", Some(true)),
        ("drop-traffic=stop", Some(false)),
        ("drop-traffic=start drop-traffic=stop", Some(false)),
        ("drop-traffic=stop drop-traffic=start", Some(false)),
    ] {
        for told in everywhere(flags) {
            assert_eq!(told.drops, drops, "{flags}");
        }
    }
    assert_eq!(options(&[("drop traffic", Value::text("start"))]).drops, Some(true));
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# Keys MUST NOT go over signalling that the request, or else the configuration, says is not protected.
#[test]
fn signalling_is_protected_as_the_request_says_or_else_the_configuration() {
    for (flags, configured, sides) in [
        ("", true, (true, true)),
        ("", false, (false, false)),
        ("protected-signalling=both", false, (true, true)),
        ("protected-signalling=sender", false, (true, false)),
        ("protected-signalling=receiver", true, (false, true)),
        ("protected-signalling=none", true, (false, false)),
    ] {
        for told in everywhere(flags) {
            let (near, far) = (told.near(configured), told.far(b"", configured));
            assert_eq!((near.protected_signalling, far.protected_signalling), sides, "{flags}");
        }
    }
    let key = ("protected-signalling", Value::text("sender"));
    assert!(!options(&[key]).far(b"", true).protected_signalling);
}

#[test]
fn encryption_is_left_out_of_what_is_named() {
    let unencrypted = |flags: &str| {
        let told = everywhere(flags)[2].far(b"", true).unencrypted;
        (told.srtp, told.srtcp)
    };
    assert_eq!(unencrypted("RTP/SAVP"), (false, false));
    assert_eq!(unencrypted("RTP/SAVP SDES-unencrypted_srtp"), (true, false));
    assert_eq!(unencrypted("RTP/SAVP SDES=[unencrypted_srtcp]"), (false, true));
}

#[test]
fn the_old_spelling_of_transports_is_one_of_two_words() {
    for (words, secured, feedback) in [
        ("RTP AVP", false, false),
        ("SRTP AVP", true, false),
        ("RTP AVPF", false, true),
        ("AVPF SRTP", true, true),
        ("SRTP", true, false),
    ] {
        for told in everywhere(words) {
            assert_eq!(told.transport, Some(Transport { secured, feedback }), "{words}");
        }
    }
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# SRTP MUST pass from end to end where no transport is asked for.
#[test]
fn without_a_transport_srtp_passes_end_to_end() {
    let passed = |flags: &str| everywhere(flags)[0].near(true).offered_srtp;
    assert_eq!(passed(""), OfferedSrtp::PassOn);
    assert_eq!(passed("RTP/SAVP"), OfferedSrtp::Terminate);
    assert_eq!(passed("RTP/SAVP e2ae=pass"), OfferedSrtp::PassOn);
    assert_eq!(passed("e2ae=applied"), OfferedSrtp::TerminateOnRequest);
    assert_eq!(passed("RTP/SAVP e2ae=applied"), OfferedSrtp::TerminateOnRequest);
    assert_eq!(passed("RTP/AVP e2ae=applied"), OfferedSrtp::Terminate);
    assert_eq!(passed("e2ae=strip"), OfferedSrtp::Terminate);
}

#[test]
fn suites_are_chosen_ordered_and_taken_from_the_offer() {
    let offer = b"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:x\r\n";
    let suites = |flags: &str, sdp: &[u8]| everywhere(flags)[0].far(sdp, true).suites;
    let (long, short) = (Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32);
    assert_eq!(suites("RTP/SAVP", offer), [long, short]);
    assert_eq!(suites("RTP/SAVP SDES-nonew", offer), [short]);
    assert_eq!(suites("RTP/SAVP SDES-nonew", b""), [long, short]);
    assert_eq!(suites("RTP/SAVP SDES-order:AES_CM_128_HMAC_SHA1_32;", b""), [short, long]);
}

//= tests/spec/ng.md#offer-and-answer
//= type=test
//# A request MUST be refused, with the reason, where it asks for what agw does not do and a call without it would be another.
#[test]
fn what_agw_does_not_do_is_refused_with_the_reason() {
    for (flags, reason) in [
        (
            "transcode-opus",
            "transcode-opus is not supported: agw relays every codec and changes none",
        ),
        ("T.38-decode", "T.38-decode is not supported: agw does not convert T.38"),
        ("ICE=force", "ICE=force is not supported: agw does not do ICE"),
        (
            "UDP/TLS/RTP/SAVPF",
            "UDP/TLS/RTP/SAVPF is not supported: agw keys SRTP by SDES only, not by DTLS",
        ),
        (
            "RTP/SAVP SDES-off",
            "SDES-off is not supported: without SDES nothing is left to key SRTP with",
        ),
        ("record-call=yes", "record-call=yes is not supported: agw does not record"),
        ("record-call", "record-call is not supported: agw does not record"),
        ("ptime=20", "ptime is not supported: agw relays every codec and changes none"),
        ("SDES-only-ROT13", "SDES-only-ROT13 is not supported: agw does not know the suite"),
        (
            "SDES-unauthenticated_srtp",
            "SDES-unauthenticated_srtp is not supported: SRTP without tags is unsafe with late \
             binding (RFC 4568 §6.4.1)",
        ),
    ] {
        for place in ["flags", "rtpp-flags"] {
            let refused = read(&[(place, Value::text(flags))]).unwrap_err();
            assert_eq!(refused.to_string(), reason);
            assert_eq!(refused.label(), "unsupported");
        }
    }
    let codec = Value::dictionary([("transcode", Value::List(vec![Value::text("opus")]))]);
    assert!(matches!(read(&[("codec", codec)]), Err(Refusal::Unsupported { .. })));
    let media = read(&[("command", Value::text("play media"))]);
    assert!(media.is_ok(), "the first command counts");
}

#[test]
fn values_that_cannot_be_are_refused_by_name() {
    for (key, value, reason) in [
        ("TOS", Value::Integer(256), "TOS: a number from 0 to 255"),
        (
            "transport protocol",
            Value::text("RTP/SVAP"),
            "transport-protocol: RTP/AVP, RTP/AVPF, RTP/SAVP or RTP/SAVPF",
        ),
        (
            "flags",
            Value::text("transport-protocol=udptl"),
            "transport-protocol: RTP/AVP, RTP/AVPF, RTP/SAVP or RTP/SAVPF",
        ),
        ("address family", Value::text("IP5"), "address-family: IP4 or IP6"),
        ("media-address", Value::text("nowhere"), "media-address: an address of IPv4 or IPv6"),
        (
            "flags",
            Value::text("SIP-source-address"),
            "received-from: needed with SIP-source-address",
        ),
    ] {
        assert_eq!(read(&[(key, value)]).unwrap_err().to_string(), reason);
    }
    let missing = |body: &[(&str, Value)]| {
        Request::read(Value::dictionary(body.iter().cloned())).unwrap_err().to_string()
    };
    assert_eq!(missing(&[]), "Dictionary contains no key \"command\"");
    assert_eq!(missing(&[("command", Value::text("dance"))]), "Unrecognized command: dance");
    assert_eq!(missing(&[("command", Value::text("query"))]), "No call-id in message");
    let answer = [
        ("command", Value::text("answer")),
        ("call-id", Value::text("call")),
        ("from-tag", Value::text("from")),
        ("sdp", Value::text("v=0")),
    ];
    assert_eq!(missing(&answer), "No to-tag in message");
    let command = [("command", Value::text("play media"))];
    assert_eq!(
        missing(&command),
        "play media is not supported: agw does not generate or read media"
    );
}

#[test]
fn every_flag_that_is_carried_out_changes_something() {
    let plain = options(&[]);
    for item in support::FLAGS {
        let flag = item.name.replace('*', "AES_CM_128_HMAC_SHA1_80");
        let told = read(&[("flags", Value::List(vec![Value::text(&flag)]))]);
        match (item.support, told) {
            (Support::Refused, Err(Refusal::Unsupported { .. })) => {}
            (Support::Done, Err(refusal)) => {
                assert_eq!(flag, "SIP-source-address", "{refusal}");
            }
            (Support::Done, Ok(Request::Offer(offer))) => {
                // Acceptance is what agw does unless told otherwise.
                let is_default = flag == "rtcp-mux-accept";
                assert_eq!(offer.options == plain, is_default, "{flag}");
                assert_eq!(offer.options.unknown, 0, "{flag}");
            }
            (Support::Always | Support::NoEffect, Ok(Request::Offer(offer))) => {
                assert_eq!(offer.options, plain, "{flag}");
            }
            (support, told) => panic!("{flag}: {support:?}, {told:?}"),
        }
    }
}

#[test]
fn the_tables_of_ng_md_are_those_of_the_parser() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/NG.md");
    let told = std::fs::read_to_string(page).expect("NG.md is there");
    let (_, tables) = told.split_once("a test keeps them so.\n").expect("the tables follow");
    if std::env::var_os("AGW_UPDATE_NG").is_some() {
        let (head, _) = told.split_at(told.len() - tables.len());
        std::fs::write(page, format!("{head}{}", support::markdown())).expect("NG.md is written");
    } else {
        assert_eq!(tables, support::markdown(), "AGW_UPDATE_NG=1 writes them anew");
    }
}

#[test]
fn a_log_of_a_refusal_has_nothing_that_its_sender_wrote() {
    let word = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    for (command, flag) in [(word.to_owned(), String::new()), ("offer".to_owned(), word.to_owned())]
    {
        let flag = format!("SDES-only-{flag}");
        let request = Value::dictionary([
            ("command", Value::text(command)),
            ("call-id", Value::text("c")),
            ("from-tag", Value::text("a")),
            ("sdp", Value::text("v=0\r\n")),
            ("flags", Value::List(vec![Value::text(flag)])),
        ]);
        let refusal = Request::read(request).unwrap_err();
        assert!(refusal.to_string().contains(&word[..32]), "{refusal}");
        assert!(!refusal.logged().contains(&word[..8]), "{}", refusal.logged());
    }
}
