//! Whole packets on which independent implementations agree byte for byte; libsrtp is one of them
//! where it has the suite.

use agw_srtp::{
    EgressKey, IngressKey, MasterKey, Portable, Protector, SessionParameters, Suite, Unprotector,
};

use crate::support::{open, open_rtcp, seal, seal_rtcp, start};

const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361\
                   20696e207061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

const CM_SRTP: &str = "8040f17b8041f8d35501a0b2890179fa36e7b215151b43d935667e6ab40f4b20\
                       b6497fcb4c3ac8ce7d2855d8c1587d1d8b4cc5c0bd011339f7aeaff9";
const CM_SRTCP: &str = "81c8000d4d6172738f5462e9a7193050ace438f9148206cef6af5dd418355556\
                        53ba41b3ce2fcd53a8bcadfd0513ad2ce6806351800000018ad18efed788831f235e";
const GCM_128_SRTP: &str = "8040f17b8041f8d35501a0b256fd13d16ae124e495bd52cb9d53c8e0cdc3ef46\
                            0b1af1bc07036df11f554003b9a2ca04074f31dab216ff9c760886ccad1ea77f21e3";
const GCM_128_SRTCP: &str = "81c8000d4d617273415477c21158eee6e12b91260d0e6e82202224e256a4d53e\
                             772695a32ca26667e3129f3847f33ce495291361999469fa89af0a008dffb639\
                             7824e3eb80000001";
const GCM_256_SRTP: &str = "8040f17b8041f8d35501a0b2957960bab41213d85ec9a2e9c256cbd9dd4723d6\
                            951a67507a00e18a3899db6b9f7e1775a4dcf349ca95492af0d3c84a9c40e9f9dca9";
const GCM_256_SRTCP: &str = "81c8000d4d617273c043b1d1837b0619bcc87e17870983406e8a1d934e99317b\
                             f307a9492d9ec01b67247acce926ce00b536d0467bd077aa033a0b7d8435000c\
                             7395db2980000001";

/// Of an independent implementation on OpenSSL's AES, which also gets RFC 3711 §B.1 right; libsrtp
/// has no f8.
const F8_SRTP: &str = "8040f17b8041f8d35501a0b2b770eee7b0c2999fc96d2750cee4c70bdc04699953ae\
                       ee4524ec3f5ca1f12c36d040a9c26df1951c8b6770c9ac5b7ce1";
const F8_SRTCP: &str = "81c8000d4d61727313ca61e38137d869b10952b45815dd4862a673e6aa5712ae55d8\
                        7ff677205cd6a64b66e0f334875a9921122e8000000193600d9f8a41d5ce8443";

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

//= tests/spec/srtp.md#suites
//= type=test
//# A gateway MUST offer AES_CM_128_HMAC_SHA1_80 and AES_CM_128_HMAC_SHA1_32.
//= tests/spec/srtp.md#suites
//= type=test
//# A gateway MUST offer AEAD_AES_128_GCM and AEAD_AES_256_GCM.
//= tests/spec/srtp.md#transforms
//= type=test
//# The keystream MUST be AES in counter mode from an IV of session salt, SSRC and packet index.
//= tests/spec/srtp.md#transforms
//= type=test
//# The tag MUST be the left-most bits of an HMAC-SHA1 over the packet and, for SRTP, its rollover
//# counter.
//= tests/spec/srtp.md#transforms
//= type=test
//# Sealing MUST encrypt before it authenticates.
//= tests/spec/srtp.md#suites
//= type=test
//# A suite with a 32-bit SRTP tag MUST still use an 80-bit tag on SRTCP.
//= tests/spec/srtp.md#key-derivation
//= type=test
//# A 96-bit master salt MUST be padded on the right to 112 bits before derivation.
//= tests/spec/srtp.md#f8-mode
//= type=test
//# The f8 IV of SRTP MUST be made of marker, payload type, sequence number, timestamp, SSRC and
//# rollover counter.
//= tests/spec/srtp.md#f8-mode
//= type=test
//# The f8 IV of SRTCP MUST be made of the word with E bit and index and of the first header.
#[test]
fn sealed_and_opened_as_others_do() {
    let table = [
        (Suite::AesCm128HmacSha1_80, CM_SRTP, CM_SRTCP),
        // The SRTP tag is cut to four octets, SRTCP is the same.
        (Suite::AesCm128HmacSha1_32, &CM_SRTP[..CM_SRTP.len() - 12], CM_SRTCP),
        (Suite::AeadAes128Gcm, GCM_128_SRTP, GCM_128_SRTCP),
        (Suite::AeadAes256Gcm, GCM_256_SRTP, GCM_256_SRTCP),
        (Suite::AesF8128HmacSha1_80, F8_SRTP, F8_SRTCP),
    ];
    for (suite, srtp, srtcp) in table {
        let key: Vec<u8> = (0..).take(suite.key_len()).collect();
        let salt: Vec<u8> = (0xa0..).take(suite.salt_len()).collect();
        let master = || MasterKey::new(suite, &key, &salt).unwrap();
        let parameters = SessionParameters::default();
        let egress_key = EgressKey::new(master());
        let mut egress = Protector::new(&Portable, vec![egress_key], parameters, 0).unwrap();
        let ingress_key = IngressKey::new(master());
        let mut ingress = Unprotector::new(&Portable, vec![ingress_key], parameters, 0).unwrap();

        let sealed = seal(&mut egress, &hex(RTP)).unwrap();
        assert_eq!(hex::encode(&sealed), srtp, "{suite:?}");
        assert_eq!(open(&mut ingress, &sealed, start()), Ok(hex(RTP)), "{suite:?}");

        let sealed = seal_rtcp(&mut egress, &hex(RTCP)).unwrap();
        assert_eq!(hex::encode(&sealed), srtcp, "{suite:?}");
        assert_eq!(open_rtcp(&mut ingress, &sealed, start()), Ok(hex(RTCP)), "{suite:?}");
    }
}
