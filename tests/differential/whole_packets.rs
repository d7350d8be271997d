//! Whole packets of known keys: libsrtp and agw-srtp seal them to the published octets.

use agw_srtp::{EgressKey, MAX_TRAILER, MasterKey, Portable, Protector, SessionParameters, Suite};
use agw_testkit::libsrtp::{OracleKey, SessionSpec, Sources};

use crate::library;

const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361\
                   20696e207061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

/// Suite, SRTP, SRTCP for the master key 00 01 02 … and the master salt a0 a1 a2 …, rollover
/// counter 0, SRTCP index 1.
const VECTORS: [(Suite, &str, &str); 4] = [
    (
        Suite::AesCm128HmacSha1_80,
        "8040f17b8041f8d35501a0b2890179fa36e7b215151b43d935667e6ab40f4b20b6497fcb4c3ac8ce7d2855d8\
         c1587d1d8b4cc5c0bd011339f7aeaff9",
        "81c8000d4d6172738f5462e9a7193050ace438f9148206cef6af5dd41835555653ba41b3ce2fcd53a8bcadfd\
         0513ad2ce6806351800000018ad18efed788831f235e",
    ),
    (
        Suite::AesCm128HmacSha1_32,
        "8040f17b8041f8d35501a0b2890179fa36e7b215151b43d935667e6ab40f4b20b6497fcb4c3ac8ce7d2855d8\
         c1587d1d8b4cc5c0bd01",
        "81c8000d4d6172738f5462e9a7193050ace438f9148206cef6af5dd41835555653ba41b3ce2fcd53a8bcadfd\
         0513ad2ce6806351800000018ad18efed788831f235e",
    ),
    (
        Suite::AeadAes128Gcm,
        "8040f17b8041f8d35501a0b256fd13d16ae124e495bd52cb9d53c8e0cdc3ef460b1af1bc07036df11f554003\
         b9a2ca04074f31dab216ff9c760886ccad1ea77f21e3",
        "81c8000d4d617273415477c21158eee6e12b91260d0e6e82202224e256a4d53e772695a32ca26667e3129f38\
         47f33ce495291361999469fa89af0a008dffb6397824e3eb80000001",
    ),
    (
        Suite::AeadAes256Gcm,
        "8040f17b8041f8d35501a0b2957960bab41213d85ec9a2e9c256cbd9dd4723d6951a67507a00e18a3899db6b\
         9f7e1775a4dcf349ca95492af0d3c84a9c40e9f9dca9",
        "81c8000d4d617273c043b1d1837b0619bcc87e17870983406e8a1d934e99317bf307a9492d9ec01b67247acc\
         e926ce00b536d0467bd077aa033a0b7d8435000c7395db2980000001",
    ),
];

#[test]
fn both_seal_known_packets_to_the_known_octets() {
    let Some(library) = library() else { return };
    let (rtp, rtcp) = (hex::decode(RTP).unwrap(), hex::decode(RTCP).unwrap());
    for (suite, srtp, srtcp) in VECTORS {
        let octets = key_and_salt(suite);
        let spec = SessionSpec {
            suite,
            keys: vec![OracleKey { octets: octets.clone(), mki: Vec::new() }],
            sources: Sources::AnyOutbound,
            window: 128,
            allow_repeat_tx: false,
            unencrypted_srtp: false,
            unencrypted_srtcp: false,
        };
        let mut theirs = library.session(&spec).unwrap();
        assert_eq!(hex::encode(theirs.protect(&rtp, 0).unwrap()), srtp, "libsrtp, {suite:?}");
        assert_eq!(
            hex::encode(theirs.protect_rtcp(&rtcp, 0).unwrap()),
            srtcp,
            "libsrtp, {suite:?}"
        );

        let master = MasterKey::from_concatenated(suite, &octets).unwrap();
        let keys = vec![EgressKey::new(master)];
        let mut ours = Protector::new(&Portable, keys, SessionParameters::default(), 0).unwrap();
        let mut slot = rtp.clone();
        slot.resize(rtp.len() + MAX_TRAILER, 0);
        let octets = ours.protect_srtp(&Portable, &mut slot, rtp.len()).unwrap();
        assert_eq!(hex::encode(&slot[..octets]), srtp, "agw-srtp, {suite:?}");
        let mut slot = rtcp.clone();
        slot.resize(rtcp.len() + MAX_TRAILER, 0);
        let octets = ours.protect_srtcp(&Portable, &mut slot, rtcp.len()).unwrap();
        assert_eq!(hex::encode(&slot[..octets]), srtcp, "agw-srtp, {suite:?}");
    }
}

fn key_and_salt(suite: Suite) -> Vec<u8> {
    let key = (0..).take(suite.key_len());
    let salt = (0xa0..).take(suite.salt_len());
    key.chain(salt).collect()
}
