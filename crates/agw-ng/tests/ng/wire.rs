//! Both wire forms.

use agw_ng::{Form, Message, Request, Value, WireError, first_of_stream, reply};
use proptest::prelude::*;

//= tests/spec/ng.md#wire
//= type=test
//# A dictionary MUST be read in any order of its keys.
#[test]
fn dictionaries_come_in_any_order_and_repeat_keys() {
    let message = Message::parse(b"c d7:command4:ping5:flags1:b5:flagsl1:aee").unwrap();
    assert_eq!(message.cookie, b"c");
    assert_eq!(message.form, Form::Bencode);
    let Value::Dictionary(pairs) = message.body else { panic!("no dictionary") };
    assert_eq!(pairs.len(), 3);
}

#[test]
fn what_is_no_message_is_told_apart() {
    let refused = |datagram: &[u8]| Message::parse(datagram).unwrap_err();
    assert_eq!(refused(b""), WireError::NoCookie);
    assert_eq!(refused(b" d7:command4:pinge"), WireError::NoCookie);
    assert_eq!(refused(b"no-space"), WireError::NoCookie);
    assert_eq!(refused(b"\x01 de"), WireError::NoCookie);
    assert_eq!(refused(&[b'c'; 300]), WireError::NoCookie);
    assert_eq!(refused(b"c x"), WireError::NoDictionary);
    assert_eq!(refused(b"c d1:ae"), WireError::NoDictionary);
    assert_eq!(refused(b"c d1:a1:be trailing"), WireError::NoDictionary);
    assert_eq!(refused(b"c {\"a\":1} x"), WireError::NoDictionary);
    assert_eq!(refused(&vec![b'c'; agw_ng::MAX_MESSAGE + 1]), WireError::TooLong);
}

#[test]
fn lengths_beyond_the_end_and_depth_beyond_reason_are_refused() {
    for hostile in [
        "c d18446744073709551615:a1:be",
        "c d99999999999999999999999:a1:be",
        "c d-1:a1:be",
        "c d+1:a1:be",
        "c d1:ai99999999999999999999ee",
        "c d1:ai--1ee",
    ] {
        assert!(Message::parse(hostile.as_bytes()).is_err(), "{hostile}");
    }
    let bencode = format!("c d1:a{}", "l".repeat(60_000));
    let json = format!("c {{\"a\":{}", "[".repeat(60_000));
    assert!(Message::parse(bencode.as_bytes()).is_err());
    assert!(Message::parse(json.as_bytes()).is_err());
}

//= tests/spec/ng.md#wire
//= type=test
//# A reply MUST repeat the cookie of its request.
//= tests/spec/ng.md#wire
//= type=test
//# A reply MUST be written in the form of its request, bencode or JSON.
#[test]
fn a_reply_has_the_form_and_the_cookie_of_its_request() {
    assert_eq!(*reply::write(b"c", Form::Bencode, &reply::pong()), b"c d6:result4:ponge");
    assert_eq!(*reply::write(b"c", Form::Json, &reply::pong()), b"c {\"result\":\"pong\"}");
}

#[test]
fn debug_shows_no_session_description() {
    let datagram = b"c d7:call-id1:a7:command5:offer8:from-tag1:f3:sdp9:inline:XYe";
    let body = Message::parse(datagram).unwrap().body;
    let request = format!("{body:?} {:?}", Request::read(body.clone()).unwrap());
    assert!(!request.contains("XY"), "{request}");
}

fn value() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![any::<i64>().prop_map(Value::Integer), "[ -~]{0,12}".prop_map(Value::text),];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map("[a-z]{1,8}", inner, 0..4).prop_map(Value::dictionary),
        ]
    })
}

/// As the other library tells it.
fn foreign(value: &Value) -> bt_bencode::Value {
    match value {
        Value::Integer(number) => bt_bencode::Value::from(*number),
        Value::Octets(octets) => bt_bencode::Value::from(std::str::from_utf8(octets).unwrap()),
        Value::List(values) => bt_bencode::Value::List(values.iter().map(foreign).collect()),
        Value::Dictionary(pairs) => bt_bencode::Value::Dict(
            pairs
                .iter()
                .map(|(key, value)| (bt_bencode::ByteString::from(key.to_vec()), foreign(value)))
                .collect(),
        ),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_in_both_forms(body in prop::collection::btree_map("[a-z]{1,8}", value(), 0..5)) {
        let body = Value::dictionary(body);
        for form in [Form::Bencode, Form::Json] {
            let octets = reply::write(b"c", form, &body);
            prop_assert_eq!(&Message::parse(&octets).unwrap().body, &body);
        }
    }

    #[test]
    fn bencode_is_that_of_another_library(body in prop::collection::btree_map("[a-z]{1,8}", value(), 0..5)) {
        let body = Value::dictionary(body);
        let octets = reply::write(b"c", Form::Bencode, &body);
        prop_assert_eq!(bt_bencode::to_vec(&foreign(&body)).unwrap(), &octets[2..]);
    }

    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        for head in ["", "c d", "c {\"", "c d7:command5:offer7:call-id1:a8:from-tag1:b3:sdp0:"] {
            let mut datagram = head.as_bytes().to_vec();
            datagram.extend_from_slice(&octets);
            if let Ok(message) = Message::parse(&datagram) {
                let _ = Request::read(message.body);
            }
        }
    }

    #[test]
    fn no_flags_panic(flags in "[a-zA-Z0-9 =:;/.\\[\\]-]{0,80}", key in "[a-zA-Z -]{1,12}") {
        let body = Value::dictionary([
            ("command", Value::text("offer")),
            ("call-id", Value::text("a")),
            ("from-tag", Value::text("b")),
            ("sdp", Value::text("v=0")),
            ("flags", Value::List(vec![Value::text(&flags)])),
            ("rtpp-flags", Value::text(&flags)),
            (key.as_str(), Value::text(&flags)),
        ]);
        let _ = Request::read(body);
    }
}

#[test]
fn a_stream_is_messages_one_after_the_other() {
    let stream = b"c d7:command4:ping3:sdp6:eded{}e \n2 {\"a\":\"}\\\"{\",\"b\":[1]}3 d1:a1:bei0e";
    let (mut at, mut seen) = (0, Vec::new());
    for part in 0..stream.len() {
        // However little has come, nothing is taken too early.
        while let Some(end) = first_of_stream(&stream[at..part]).unwrap() {
            seen.push(&stream[at..at + end]);
            at += end;
        }
    }
    assert_eq!(seen.len(), 3);
    for message in &seen {
        assert!(Message::parse(message.trim_ascii()).is_ok());
    }
    assert!(first_of_stream(b"c d99999:").is_err());
    assert!(first_of_stream(b"c x").is_err());
    assert!(first_of_stream(&[b'c'; 300]).is_err());
}
