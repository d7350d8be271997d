use agw_rtp::Ssrc;
use agw_srtp::{
    EgressKey, MAX_TRAILER, MasterKey, Mki, Portable, Protector, SessionKeys, SessionParameters,
    Suite,
};

use super::*;
use crate::aes::tests::{left_after_drop, levels, noise};

const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361\
                   20696e207061727465732074726573";
const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                    deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// A transform in either form.
trait Transformer: GaloisMode {
    fn from_parts(key: &[u8], salt: [u8; NONCE]) -> Self;
}

impl<const KEYS: usize> Transformer for Galois<KEYS> {
    fn from_parts(key: &[u8], salt: [u8; NONCE]) -> Self {
        Self { key: GcmKey::new(key), salt }
    }
}

impl<const KEYS: usize> Transformer for CompactGalois<KEYS> {
    fn from_parts(key: &[u8], salt: [u8; NONCE]) -> Self {
        let mut octets = [0; MAX_KEY];
        octets[..key.len()].copy_from_slice(key);
        Self { key: octets, salt }
    }
}

/// The same frame on its way back.
fn opening<'a>(frame: &Frame<'a>) -> Frame<'a> {
    let operation = match frame.operation {
        Operation::ProtectSrtp | Operation::UnprotectSrtp => Operation::UnprotectSrtp,
        Operation::ProtectSrtcp | Operation::UnprotectSrtcp => Operation::UnprotectSrtcp,
    };
    Frame { operation, ..*frame }
}

fn srtp(suite: Suite, packet: &[u8], encrypted: bool) -> Frame<'static> {
    Frame {
        operation: Operation::ProtectSrtp,
        suite,
        ssrc: Ssrc(u32::from_be_bytes(packet[8..12].try_into().unwrap())),
        index: u16::from_be_bytes(packet[2..4].try_into().unwrap()).into(),
        clear_octets: 12,
        encrypted,
        srtcp_word: 0,
        mki: &[],
    }
}

fn srtcp(suite: Suite, packet: &[u8], index: u32, encrypted: bool) -> Frame<'static> {
    Frame {
        operation: Operation::ProtectSrtcp,
        suite,
        ssrc: Ssrc(u32::from_be_bytes(packet[4..8].try_into().unwrap())),
        index: index.into(),
        clear_octets: 8,
        encrypted,
        srtcp_word: u32::from(encrypted) << 31 | index,
        mki: &[],
    }
}

/// Seals, opens, and tries a forgery.
fn check<T: Transformer>(frame: &Frame<'_>, key: &[u8], plain: &[u8], sealed: &[u8]) {
    let transform = T::from_parts(key, *b"Quid pro quo");
    for level in levels() {
        let what = (level, frame);
        let mut buffer = plain.to_vec();
        buffer.resize(sealed.len() + 9, 0xa5);
        assert_eq!(transform.run(level, frame, &mut buffer, plain.len()), Ok(sealed.len()));
        assert_eq!(hex::encode(&buffer[..sealed.len()]), hex::encode(sealed), "{what:?}");
        assert_eq!(buffer[sealed.len()..], [0xa5; 9], "{what:?}");

        let back = opening(frame);
        for position in 0..sealed.len() - frame.mki.len() {
            let word = sealed.len() - frame.mki.len() - 4;
            if frame.srtcp_word != 0 && position >= word {
                continue; // known from the frame, not read from the packet
            }
            let mut forged = sealed.to_vec();
            forged[position] ^= 4;
            let before = forged.clone();
            let outcome = transform.run(level, &back, &mut forged, sealed.len());
            assert_eq!(outcome, Err(CryptoFailure::Authentication), "{what:?}, {position}");
            assert_eq!(forged, before, "{what:?}, {position}");
        }

        assert_eq!(transform.run(level, &back, &mut buffer, sealed.len()), Ok(plain.len()));
        assert_eq!(hex::encode(&buffer[..plain.len()]), hex::encode(plain), "{what:?}");
    }
}

//= tests/spec/srtp.md#e-bit
//= type=test
//# Unencrypted SRTCP under GCM MUST carry a tag over the whole packet.
//= tests/spec/srtp.md#order-of-checks
//= type=test
//# Plaintext MUST NOT be released before the tag is verified.
#[test]
fn packets_are_those_of_rfc_7714_both_ways_and_survive_a_wrong_tag() {
    // clause, suite, SRTP, encrypted, what follows the clear octets
    let (rtp, rtcp) = (&RTP[24..], &RTCP[16..]);
    let (small, large) = (Suite::AeadAes128Gcm, Suite::AeadAes256Gcm);
    let table: [(_, _, _, &str, &str); 8] = [
        (
            small,
            true,
            true,
            "",
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (small, true, false, rtp, "22493f82d2bce397e9d79e3b19aa4216"),
        (
            large,
            true,
            true,
            "",
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
        (large, true, false, rtp, "a866d5910f887463067ceefec45215d4"),
        (
            small,
            false,
            true,
            "",
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        (
            large,
            false,
            true,
            "",
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
        (small, false, false, rtcp, "841dd9683dd78ec92ae58790125f62b3000005d4"),
        (large, false, false, rtcp, "91db4afbfeee5a978fab4393ed2615fe000005d4"),
    ];
    for (suite, is_srtp, encrypted, clear, tail) in table {
        let plain = hex(if is_srtp { RTP } else { RTCP });
        let frame = if is_srtp {
            srtp(suite, &plain, encrypted)
        } else {
            srtcp(suite, &plain, 0x5d4, encrypted)
        };
        let sealed = [&plain[..frame.clear_octets], &hex(clear), &hex(tail)].concat();
        let key: Vec<u8> = (0..32).take(suite.key_len()).collect();
        if suite == small {
            check::<Galois<11>>(&frame, &key, &plain, &sealed);
            check::<CompactGalois<11>>(&frame, &key, &plain, &sealed);
        } else {
            check::<Galois<15>>(&frame, &key, &plain, &sealed);
            check::<CompactGalois<15>>(&frame, &key, &plain, &sealed);
        }
    }
}

fn master(suite: Suite) -> MasterKey {
    MasterKey::from_concatenated(suite, &noise(7, suite.key_len() + suite.salt_len())).unwrap()
}

/// Compares with the portable engine, packet by packet.
fn compare<const KEYS: usize>(suite: Suite, encrypted: bool, mki: &[u8]) {
    let keys = SessionKeys::derive(&master(suite));
    let mut key = EgressKey::new(master(suite));
    key.mki = (!mki.is_empty()).then(|| Mki::new(mki).unwrap());
    let parameters = SessionParameters {
        unencrypted_srtp: !encrypted,
        unencrypted_srtcp: !encrypted,
        ..SessionParameters::default()
    };
    let mut peer = Protector::new(&Portable, vec![key], parameters, 0).unwrap();
    let galois = Galois::<KEYS>::new(&keys.srtp);
    let compact = CompactGalois::<KEYS>::new(&keys.srtcp);
    for octets in 12..=1500 {
        let mut rtp = noise(octets as u32, octets);
        rtp[..4].copy_from_slice(&[0x80, 96, (octets >> 8) as u8, octets as u8]);
        rtp[8..12].copy_from_slice(&[1, 2, 3, 4]);
        rtp.resize(octets + MAX_TRAILER, 0);
        let frame = Frame { mki, ..srtp(suite, &rtp, encrypted) };
        let mut expected = rtp.clone();
        let sealed = peer.protect_srtp(&Portable, &mut expected, octets).unwrap();
        round_trip(&galois, &frame, &mut rtp, octets, &expected[..sealed]);

        let mut rtcp = noise(octets as u32, octets / 4 * 4);
        let index = octets as u32 - 11;
        let words = (octets / 4 - 1) as u16;
        rtcp[..4].copy_from_slice(&[0x80, 200, (words >> 8) as u8, words as u8]);
        rtcp[4..8].copy_from_slice(&[1, 2, 3, 4]);
        let frame = Frame { mki, ..srtcp(suite, &rtcp, index, encrypted) };
        let octets = rtcp.len();
        rtcp.resize(octets + MAX_TRAILER, 0);
        let mut expected = rtcp.clone();
        let sealed = peer.protect_srtcp(&Portable, &mut expected, octets).unwrap();
        round_trip(&compact, &frame, &mut rtcp, octets, &expected[..sealed]);
    }
}

fn round_trip<T: Transformer>(
    transform: &T,
    frame: &Frame<'_>,
    buffer: &mut [u8],
    octets: usize,
    expected: &[u8],
) {
    let plain = buffer[..octets].to_vec();
    for level in levels() {
        let sealed = transform.run(level, frame, buffer, octets);
        assert_eq!(sealed, Ok(expected.len()), "{level}, {frame:?}");
        assert_eq!(buffer[..expected.len()], *expected, "{level}, {octets} octets, {frame:?}");
        let opened = transform.run(level, &opening(frame), buffer, expected.len());
        assert_eq!(opened, Ok(octets), "{level}, {frame:?}");
        assert_eq!(buffer[..octets], plain, "{level}, {octets} octets, {frame:?}");
    }
}

#[test]
fn packets_of_any_length_are_those_of_the_portable_engine() {
    if levels().is_empty() {
        return;
    }
    for encrypted in [true, false] {
        compare::<11>(Suite::AeadAes128Gcm, encrypted, &[]);
        compare::<15>(Suite::AeadAes256Gcm, encrypted, &[1, 2, 3, 4]);
    }
}

#[test]
fn what_is_too_short_or_has_no_room_is_refused_and_left_alone() {
    let key = levels().first().map(|_| Galois::<11>::from_parts(&[1; 16], [2; NONCE]));
    let (Some(galois), plain) = (key, hex(RTP)) else {
        return;
    };
    let seal = Frame { mki: &[1, 2], ..srtp(Suite::AeadAes128Gcm, &plain, true) };
    for level in levels() {
        let mut buffer = plain.clone();
        let octets = buffer.len();
        buffer.resize(octets + 17, 0);
        let before = buffer.clone();
        let outcome = galois.seal(level, &seal, &mut buffer, octets);
        assert_eq!(outcome, Err(CryptoFailure::NoRoom));
        assert_eq!(galois.seal(level, &seal, &mut buffer, 11), Err(CryptoFailure::TooShort));
        let open = opening(&seal);
        assert_eq!(galois.open(level, &open, &mut buffer, 29), Err(CryptoFailure::TooShort));
        assert_eq!(galois.open(level, &open, &mut buffer, 999), Err(CryptoFailure::TooShort));
        assert_eq!(buffer, before);
    }
}

#[test]
fn both_keys_of_a_direction_fit_in_576_octets() {
    assert!(size_of::<Galois<15>>() + size_of::<CompactGalois<15>>() <= 576);
    assert!(size_of::<Galois<11>>() + size_of::<CompactGalois<11>>() <= 512);
}

//= tests/spec/srtp.md#key-material
//= type=test
//# Key material MUST be wiped when it is released.
#[test]
fn keys_and_salts_are_wiped_on_drop() {
    let compact = CompactGalois::<15> { key: [3; MAX_KEY], salt: [4; NONCE] };
    let left = left_after_drop(compact, |octets| {
        assert!(octets.iter().all(|octet| *octet == 3 || *octet == 4));
    });
    assert!(left.iter().all(|octet| *octet == 0));
}
