//! The E bit of SRTCP and the `UNENCRYPTED_*` parameters (RFC 4568 §6.3.2).

use agw_srtp::{EgressKey, IngressKey, SessionParameters, Suite, UnprotectError};

use crate::support::{Pair, SSRC, master, rtcp};

fn pair(suite: Suite, egress_unencrypted: bool, ingress_unencrypted: bool) -> Pair {
    let parameters =
        |unencrypted_srtcp| SessionParameters { unencrypted_srtcp, ..SessionParameters::default() };
    let key = || EgressKey::new(master(suite, 1));
    let mut pair = Pair::with_parameters(
        key(),
        IngressKey::new(master(suite, 1)),
        parameters(ingress_unencrypted),
    );
    let parameters = parameters(egress_unencrypted);
    pair.egress =
        agw_srtp::Protector::new(&agw_srtp::Portable, vec![key()], parameters, 0).unwrap();
    pair
}

//= tests/spec/srtp.md#e-bit
//= type=test
//# An SRTCP packet whose E bit is not as agreed MUST be discarded under a suite that encrypts.
//= tests/spec/srtp.md#e-bit
//= type=test
//# The E bit MUST be set on every encrypted SRTCP packet sent and on no other.
#[test]
fn the_flag_must_be_the_one_agreed_on() {
    // encrypted suites: sender unencrypted, receiver unencrypted, outcome
    let table = [
        (false, false, Ok(())),
        (true, true, Ok(())),
        (true, false, Err(UnprotectError::Unencrypted)),
        (false, true, Err(UnprotectError::Unencrypted)),
    ];
    for suite in Suite::ALL.into_iter().filter(|suite| !suite.is_null()) {
        for (sender, receiver, expected) in table {
            let mut pair = pair(suite, sender, receiver);
            let sealed = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
            let opened = pair.open_rtcp(&sealed).map(drop);
            assert_eq!(opened, expected, "{suite:?} {sender} {receiver}");
        }
    }
}

//= tests/spec/srtp.md#e-bit
//= type=test
//# The E bit MUST be set on every encrypted SRTCP packet sent and on no other.
#[test]
fn a_null_suite_sends_0_and_takes_both() {
    for suite in [Suite::NullHmacSha1_80, Suite::NullHmacSha1_32] {
        for (sender, receiver) in [(false, false), (true, false), (false, true)] {
            let mut pair = pair(suite, sender, receiver);
            let plain = rtcp(SSRC);
            let sealed = pair.seal_rtcp(&plain).unwrap();
            assert_eq!(sealed[plain.len()..plain.len() + 4], [0, 0, 0, 1], "{suite:?}");
            assert_eq!(pair.open_rtcp(&sealed), Ok(plain), "{suite:?}");
        }
    }
}

//= tests/spec/srtp.md#suites
//= type=test
//# SRTCP MUST always be authenticated.
#[test]
fn setting_the_flag_of_a_sealed_packet_is_forgery() {
    for suite in Suite::ALL {
        let mut pair = pair(suite, true, false);
        let mut sealed = pair.seal_rtcp(&rtcp(SSRC)).unwrap();
        let behind = if suite.is_aead() { 0 } else { suite.srtcp_tag_len() };
        let flag = sealed.len() - behind - 4;
        sealed[flag] |= 0x80;
        let opened = pair.open_rtcp(&sealed);
        assert_eq!(opened, Err(UnprotectError::Authentication), "{suite:?}");
    }
}
