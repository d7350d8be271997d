//! Octets that some take for the end of a line.

use agw_sdp::{SdpError, SdpRule, SessionDescription};

#[test]
fn a_carriage_return_or_a_zero_octet_within_a_line_is_refused() {
    let description = |line: &str| {
        format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 8\r\n{line}\r\na=mid:1\r\n")
    };
    let hidden = ["a=x\ra=crypto:1 y", "a=x\0", "a=x\r"];
    for line in hidden {
        let refused = SessionDescription::parse(description(line).as_bytes()).err();
        assert_eq!(refused, Some(SdpError { line: 4, rule: SdpRule::Octet }), "{line:?}");
    }
    assert!(SessionDescription::parse(description("a=x").as_bytes()).is_ok());
    let other_ends = description("a=x").replace("\r\n", "\n");
    assert!(SessionDescription::parse(other_ends.as_bytes()).is_ok());
}

#[test]
fn a_name_in_another_character_set_does_not_keep_the_address_beside_it() {
    let mut sdp = b"v=0\r\no=M\xfcller 1 1 IN IP4 192.0.2.1\r\n".to_vec();
    sdp.extend_from_slice(b"s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n");
    let mut world = crate::world::World::new();
    let side = |name: &str| crate::story::options(name);
    let dialogue = agw_sdp::Dialogue { from_tag: "a", to_tag: None, via_branch: None };
    let (near, far) = (&side("core"), &side("core"));
    let (rekey, supersedes) = (false, false);
    let drops = None;
    let request =
        agw_sdp::OfferRequest { dialogue, sdp: &sdp, near, far, rekey, supersedes, drops };
    let told = world.offer("call", &request).unwrap();
    let origin = told.sdp.split(|octet| *octet == b'\n').nth(1).unwrap();
    assert_eq!(origin, b"o=M\xfcller 1 1 IN IP4 203.0.113.1\r");
}
