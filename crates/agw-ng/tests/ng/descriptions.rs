//! What ng asks of session descriptions besides offer and answer.

use agw_ng::{Book, Octets, Options, Replace, Shown, came_through, from_source};

const SDP: &str = "v=0\r\no=alice 1 7 IN IP4 192.0.2.1\r\ns=first\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 8\r\na=rtcp:4001 IN IP4 192.0.2.1\r\n\
                   m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\n";

fn edited(options: &Options, sdp: &str) -> String {
    let local = ["192.0.2.1".parse().unwrap()];
    let shown = Shown { local: &local, mark: "here" };
    String::from_utf8(options.edit(sdp.as_bytes(), &shown).to_vec()).unwrap()
}

#[test]
fn nothing_asked_for_is_nothing_changed() {
    assert_eq!(edited(&Options::default(), SDP), SDP);
}

#[test]
fn the_media_address_stands_wherever_the_gateways_own_did() {
    let options =
        Options { media_address: Some("203.0.113.9".parse().unwrap()), ..Options::default() };
    let told = edited(&options, SDP);
    assert!(told.contains("c=IN IP4 203.0.113.9\r\nt="), "{told}");
    assert!(told.contains("a=rtcp:4001 IN IP4 203.0.113.9\r\n"), "{told}");
    assert!(told.contains("c=IN IP4 0.0.0.0"), "hold stays hold: {told}");
}

#[test]
fn an_address_that_is_nowhere_is_replaced_only_if_asked_for() {
    let replace = Replace { zero_address: true, ..Replace::default() };
    let told = edited(&Options { replace, ..Options::default() }, SDP);
    assert!(!told.contains("0.0.0.0"), "{told}");
    assert!(told.contains("m=video 0 RTP/AVP 96\r\nc=IN IP4 192.0.2.1\r\n"), "{told}");
}

#[test]
fn every_media_line_has_an_identification_of_its_own() {
    let told = edited(&Options { generate_mid: true, ..Options::default() }, SDP);
    assert!(told.contains("a=rtcp:4001 IN IP4 192.0.2.1\r\na=mid:m1\r\nm=video"), "{told}");
    assert_eq!(told.matches("a=mid:").count(), 2);
}

#[test]
fn a_description_is_known_again() {
    let told = edited(&Options { loop_protect: true, ..Options::default() }, SDP);
    assert!(came_through(told.as_bytes(), "here"));
    assert!(!came_through(told.as_bytes(), "elsewhere"));
    assert!(!came_through(SDP.as_bytes(), "here"));
}

#[test]
fn a_phone_that_does_not_know_its_address_receives_where_its_request_came_from() {
    let told = from_source(SDP.as_bytes(), "2001:db8::7".parse().unwrap());
    let told = std::str::from_utf8(&told).unwrap();
    assert!(told.contains("c=IN IP6 2001:db8::7\r\nt="), "{told}");
    assert!(told.contains("c=IN IP4 0.0.0.0"), "hold stays hold: {told}");
}

#[test]
fn versions_are_the_gateways_own_and_names_stay() {
    let replace =
        Replace { version: true, username: true, session_name: true, ..Replace::default() };
    let options = Options { replace, label: Some("bob".to_owned()), ..Options::default() };
    let mut book = Book::new(1, 1);
    let mut pass = |sdp: &str| {
        let sdp = Octets::new(sdp.as_bytes().to_vec());
        String::from_utf8(book.pass("call", "tag", &options, sdp).to_vec()).unwrap()
    };
    assert_eq!(pass(SDP), SDP);
    let same_media = SDP.replace("alice 1 7", "bob 1 99");
    assert_eq!(pass(&same_media), SDP, "only what changes counts");
    let moved = same_media.replace("4000", "4002").replace("s=first", "s=second");
    let shown = SDP.replace("alice 1 7", "alice 1 8").replace("4000", "4002");
    assert_eq!(pass(&moved), shown);
    assert_eq!(book.label("call", "tag"), Some("bob"));
    let other = Octets::new(SDP.as_bytes().to_vec());
    assert_eq!(*book.pass("other", "tag", &options, other), SDP.as_bytes(), "no room: as it is");
    assert_eq!(book.len(), 1);
    book.keep(|call| call != "call");
    assert!(book.is_empty());
}
