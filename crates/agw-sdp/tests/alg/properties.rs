//! What holds for any call, whatever its descriptions say.

use agw_sdes::{CryptoAttribute, CryptoLines, CryptoTag, InlineKey, Mode};
use agw_sdp::{AnswerRequest, Dialogue, OfferRequest, SessionDescription, SideOptions};
use agw_srtp::Suite;
use proptest::prelude::*;

use crate::story::options;
use crate::world::World;

const OFFER: Dialogue<'_> = Dialogue { from_tag: "a", to_tag: None, via_branch: None };
const ANSWER: Dialogue<'_> = Dialogue { from_tag: "a", to_tag: Some("b"), via_branch: None };

/// Attributes that have nothing to do with keys.
fn attribute() -> impl Strategy<Value = String> {
    prop_oneof![
        "a=[b-z]{3,9}:[ -~]{0,20}",
        Just("a=sendonly".to_owned()),
        Just("a=3ge2ae:applied".to_owned()),
        Just("a=key-mgmt:mikey AQAFgM0X".to_owned()),
        Just("k=clear:secret".to_owned()),
        Just("a=3ge2ae:requested".to_owned()),
        Just("b=AS:64".to_owned()),
        Just("a=rtcp-mux".to_owned()),
    ]
    .prop_filter("no key and no other meaning", |line| {
        let forbidden = ["a=crypto", "a=rtcp:", "a=setup", "m=", "inline"];
        !forbidden.iter().any(|text| line.contains(text))
    })
}

/// A crypto line with a key of its own.
fn crypto(tag: usize) -> impl Strategy<Value = String> {
    let suites: Vec<Suite> =
        Suite::ALL.into_iter().filter(|s| !s.is_null() && !s.is_f8()).collect();
    (proptest::sample::select(suites), any::<[u8; 32]>()).prop_map(move |(suite, key)| {
        let tag = CryptoTag::new(u32::try_from(tag).unwrap() + 1).unwrap();
        let fill = &mut |octets: &mut [u8]| {
            octets.iter_mut().zip(key.iter().cycle()).for_each(|(octet, k)| *octet = *k);
        };
        CryptoAttribute::generate(tag, suite, fill).unwrap().expose_line().to_string()
    })
}

/// A key as a capability (RFC 5939).
fn capability(key: &str) -> String {
    let line = key.trim_end().trim_start_matches("a=");
    format!("a=tcap:1 RTP/SAVP\r\na=acap:1 {line}\r\na=pcfg:1 t=1 a=1")
}

/// A media line with attributes around its keys.
fn media(transport: &'static str, keys: usize) -> impl Strategy<Value = String> {
    let keys: Vec<_> = (0..keys).map(crypto).collect();
    let attributes = proptest::collection::vec(attribute(), 0..4);
    (1024_u16..65_000, attributes, keys).prop_map(move |(port, attributes, keys)| {
        let mut lines = vec![format!("m=audio {port} {transport} 8")];
        lines.extend(attributes);
        lines.extend(keys.first().map(|key| capability(key)));
        lines.extend(keys);
        lines.join("\r\n")
    })
}

fn description(media: Vec<String>) -> String {
    let head = "v=0\r\no=x 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
    format!("{head}{}\r\n", media.join("\r\n"))
}

fn secured(keys: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(media("RTP/SAVP", keys), 1..4).prop_map(description)
}

fn plain() -> impl Strategy<Value = String> {
    proptest::collection::vec(media("RTP/AVP", 0), 1..4).prop_map(description)
}

/// An answer in plain to every line.
fn plain_answer(offer: &str) -> String {
    let lines = offer.lines().filter(|line| line.starts_with("m="));
    description(lines.map(str::to_owned).collect())
}

/// An answer that takes the last line offered of each media line.
fn secured_answer(offer: &str) -> String {
    let answer = |(position, media): (u8, &str)| {
        let line = media.lines().rfind(|line| line.starts_with("a=crypto")).unwrap();
        let offered = CryptoAttribute::parse(line, Mode::Strict).unwrap();
        let fill = &mut |octets: &mut [u8]| octets.fill(0xF0 | position);
        let key = InlineKey::generate(offered.known_suite().unwrap(), fill).unwrap();
        let head = media.lines().next().unwrap();
        format!("m={head}\r\n{}", *offered.answer(key).unwrap().expose_line())
    };
    description((0..).zip(offer.split("m=").skip(1)).map(answer).collect())
}

fn exchange(
    offer: &str,
    (near, far): (SideOptions, SideOptions),
    answer: impl FnOnce(&str) -> String,
) -> (String, String, String) {
    let mut world = World::new();
    let (near, far) = (&near, &far);
    let request = OfferRequest {
        dialogue: OFFER,
        sdp: offer.as_bytes(),
        near,
        far,
        rekey: false,
        supersedes: false,
        drops: None,
    };
    let text = |sdp: &[u8]| String::from_utf8(sdp.to_vec()).unwrap();
    let offered = text(&world.offer("call", &request).unwrap().sdp);
    let answer = answer(&offered);
    let request =
        AnswerRequest { dialogue: ANSWER, sdp: answer.as_bytes(), status: None, drops: None };
    let answered = text(&world.answer("call", &request).unwrap().sdp);
    world.delete("call", &ANSWER).unwrap();
    assert!(world.calls.is_empty() && world.ports.open.is_empty());
    (offered, answer, answered)
}

/// The keys of a description.
fn keys(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with("a=crypto"));
    lines.flat_map(|line| line.split("inline:").skip(1)).map(str::to_owned).collect()
}

/// The crypto lines under each media line, with a media line that is secured.
fn secured_media(text: &str) -> Vec<(bool, Vec<&str>)> {
    let of = |media: &'_ str| media.lines().next().unwrap().contains(" RTP/SAVP ");
    let lines = text.split("m=").skip(1);
    lines
        .map(|media| (of(media), media.lines().filter(|l| l.starts_with("a=crypto")).collect()))
        .collect()
}

/// What another library makes of a description.
fn second_opinion(text: &str, port_realm: std::ops::RangeInclusive<u16>) {
    let session = sdp_types::Session::parse(text.as_bytes()).unwrap();
    assert!(session.medias.iter().all(|media| port_realm.contains(&media.port)), "{text}");
    let shown = session.connection.map(|connection| connection.connection_address);
    let known = ["198.51.100.1", "203.0.113.1"];
    assert!(shown.is_some_and(|shown| known.contains(&shown.as_str())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# Towards the core no crypto line MUST be left.
    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# No other way to key SRTP MUST be left where the gateway ends it.
    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# Towards a UE that is protected to the edge an answer MUST have one crypto line with the
    //# offered tag.
    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# A key of one side MUST NOT leave on the other side.
    #[test]
    fn no_key_of_an_originating_ue_leaves_and_its_answer_has_one(offer in secured(3)) {
        let sides = (options("access,terminate"), options("core"));
        let (offered, _, answered) = exchange(&offer, sides, plain_answer);
        prop_assert!(!offered.contains("crypto") && !offered.contains("SAVP"));
        let forbidden = ["3ge2ae", "key-mgmt", "k=clear", "inline", "cap:", "pcfg"];
        prop_assert!(!forbidden.iter().any(|text| offered.contains(text)));
        for key in keys(&offer) {
            prop_assert!(!answered.contains(&key));
        }
        for (is_secured, lines) in secured_media(&answered) {
            prop_assert!(is_secured && lines.len() == 1);
            let line = CryptoAttribute::parse(lines[0], Mode::Strict).unwrap();
            prop_assert_eq!(line.tag().get(), 1);
        }
        second_opinion(&offered, 41_000..=41_199);
        second_opinion(&answered, 40_000..=40_199);
    }

    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# Every offered line MUST have a key of its own.
    //= tests/spec/sdp.md#indications
    //= type=test
    //# A UE that is offered e2ae protection MUST be told that it is applied.
    //= tests/spec/sdp.md#indications
    //= type=test
    //# An indication of e2ae protection that another party wrote MUST be taken away.
    #[test]
    fn a_terminating_ue_is_offered_keys_of_the_gateway_and_its_own_stay_there(offer in plain()) {
        let sides = (options("core"), options("access"));
        let (offered, answer, answered) = exchange(&offer, sides, secured_answer);
        let media = secured_media(&offered);
        for (is_secured, lines) in &media {
            prop_assert!(*is_secured && lines.len() == 2);
            let lines = CryptoLines::parse(lines.iter().copied(), Mode::Strict).unwrap();
            prop_assert!(lines.results().iter().all(Result::is_ok), "keys repeat");
        }
        prop_assert_eq!(offered.matches("a=3ge2ae:applied").count(), media.len());
        prop_assert_eq!(offered.matches("3ge2ae").count(), media.len());
        prop_assert!(!answered.contains("crypto") && !answered.contains("3ge2ae"));
        for key in keys(&answer) {
            prop_assert!(!answered.contains(&key) && !offered.contains(&key));
        }
        second_opinion(&offered, 40_000..=40_199);
        second_opinion(&answered, 41_000..=41_199);
    }

    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# A key of one side MUST NOT leave on the other side.
    #[test]
    fn between_two_protected_sides_each_has_keys_of_its_own(offer in secured(2)) {
        let sides = (options("access,terminate"), options("access"));
        let (offered, answer, answered) = exchange(&offer, sides, secured_answer);
        for key in keys(&offer) {
            prop_assert!(!offered.contains(&key) && !answered.contains(&key));
        }
        for key in keys(&answer) {
            prop_assert!(!answered.contains(&key));
        }
        for key in keys(&answered) {
            prop_assert!(!offered.contains(&key), "one key for both sides");
        }
        let is_protected = |(is_secured, lines): &(bool, Vec<&str>)| *is_secured && !lines.is_empty();
        prop_assert!(secured_media(&offered).iter().all(is_protected));
        prop_assert!(secured_media(&answered).iter().all(is_protected));
    }

    //= tests/spec/sdp.md#forking
    //= type=test
    //# Every answer to one offer MUST give a protected caller the same address and key.
    #[test]
    fn every_answer_of_a_fork_is_the_same_to_a_protected_caller_and_no_key_crosses(
        offer in secured(2),
    ) {
        let mut world = World::new();
        let (near, far) = (options("access,terminate"), options("core"));
        let text = |sdp: &[u8]| String::from_utf8(sdp.to_vec()).unwrap();
        let (mut offered, mut answered) = (Vec::new(), Vec::new());
        let way = |branch| Dialogue { from_tag: "a", to_tag: None, via_branch: Some(branch) };
        for branch in ["z1", "z2"] {
            let request = OfferRequest {
                dialogue: way(branch),
                sdp: offer.as_bytes(),
                near: &near,
                far: &far,
                rekey: false,
                supersedes: false,
                drops: None,
            };
            offered.push(text(&world.offer("call", &request).unwrap().sdp));
        }
        // The second branch forks once more, behind where its offer was last seen.
        for (branch, tag) in [(0, "b1"), (1, "b2"), (1, "b3"), (0, "b1")] {
            let dialogue = Dialogue { to_tag: Some(tag), ..way(["z1", "z2"][branch]) };
            let answer = plain_answer(&offered[branch]);
            let request = AnswerRequest { dialogue, sdp: answer.as_bytes(), status: None, drops: None };
            answered.push(text(&world.answer("call", &request).unwrap().sdp));
        }
        let told = |answer: &str| -> Vec<String> {
            let parts = ["m=", "c=", "a=crypto"];
            let lines = answer.lines().filter(|line| parts.iter().any(|part| line.starts_with(part)));
            lines.map(str::to_owned).collect()
        };
        prop_assert!(answered.iter().all(|answer| told(answer) == told(&answered[0])));
        for key in keys(&offer).iter().chain(&keys(&answered[0])) {
            prop_assert!(offered.iter().all(|offered| !offered.contains(key)));
        }
        for key in keys(&offer) {
            prop_assert!(answered.iter().all(|answer| !answer.contains(&key)));
        }
        world.delete("call", &way("z1")).unwrap();
    }

    //= tests/spec/sdp.md#end-to-end
    //= type=test
    //# SRTP that nobody asks to end at the edge MUST pass from end to end.
    //= tests/spec/sdp.md#end-to-end
    //= type=test
    //# What passes from end to end MUST leave with the crypto lines as they came.
    #[test]
    fn what_passes_end_to_end_differs_in_addresses_only(offer in secured(2)) {
        let offer = offer.replace("a=3ge2ae:requested\r\n", "").replace("a=rtcp-mux\r\n", "");
        let sides = (options("core"), options("access"));
        let (offered, ..) = exchange(&offer, sides, secured_answer);
        let same = |text: &str| -> Vec<String> {
            let kept = text.lines().filter(|line| {
                !["o=", "c=", "m=", "a=3ge2ae"].iter().any(|start| line.starts_with(start))
            });
            kept.map(str::to_owned).collect()
        };
        prop_assert_eq!(same(&offered), same(&offer));
    }

    #[test]
    fn any_octets_are_refused_or_leave_as_they_came(
        octets in proptest::collection::vec(any::<u8>(), 0..200),
        text in "v=0\r?\n([mcoabskx]=[ -~]{0,30}\r?\n){0,8}",
    ) {
        for octets in [&octets[..], text.as_bytes()] {
            if let Ok(description) = SessionDescription::parse(octets) {
                prop_assert_eq!(&description.expose()[..], octets);
                let shown = format!("{description:?}");
                prop_assert!(!shown.contains("inline"));
            }
            let mut world = World::new();
            let (near, far) = (&options("access"), &options("core"));
            let request =
                OfferRequest { dialogue: OFFER, sdp: octets, near, far, rekey: false, supersedes: false, drops: None };
            let refused = world.offer("call", &request).is_err();
            prop_assert!(!refused || (world.calls.is_empty() && world.ports.open.is_empty()));
        }
    }
}
