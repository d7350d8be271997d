//! Published vectors of ciphers and key derivation (RFC 3711 Appendix B, RFC 6188 §7, RFC 7714
//! §16 and §17). Whole packets are in `tests/behaviour/whole_packets.rs`.

use agw_rtp::{RtcpHeader, RtpHeader};

use crate::engine::{Frame, Operation};
use crate::kdf::{ProtocolKeys, SessionKeys, expand_label};
use crate::portable::{AesKey, F8, Transform};
use crate::{CryptoFailure, MasterKey, Suite};

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

#[test]
fn counter_mode_keystreams_are_those_of_rfc_3711_b2_and_rfc_6188() {
    // key, then blocks 0, 1, 2, FEFF, FF00, FF01; 65,282 blocks in all.
    let table = [
        (
            "2B7E151628AED2A6ABF7158809CF4F3C",
            "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0",
            "EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE6A2CC3787889374FBEB4C81B17BA6C44",
        ),
        (
            "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
            "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31",
            "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f",
        ),
        (
            "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
            "35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a474a40c77894bc17180202272a4c264d",
            "d108d1a31a00bad6367ec23eb044b415c8f57129fdeb970b59f917b257662d4ca5dab625811034e8cebdfeb6dc158dd3",
        ),
    ];
    for (key, first_blocks, last_blocks) in table {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let mut keystream = vec![0; 65_282 * 16];
        AesKey::new(&hex(key)).apply_keystream(&iv, &mut keystream);
        assert_eq!(keystream[..48], hex(first_blocks), "{key}");
        assert_eq!(keystream[0xfeff * 16..], hex(last_blocks), "{key}");
    }
}

//= tests/spec/srtp.md#f8-mode
//= type=test
//# The f8 keystream MUST start from the IV encrypted under the key with the padded salt added.
#[test]
fn the_f8_keystream_is_that_of_rfc_3711_b1() {
    let cipher = F8::with_salt(&hex("234829008467be186c3de14aae72d62c"), &hex("32f2870d"));
    let iv = hex("006e5cba50681de55c621599d462564a").try_into().unwrap();
    let mut octets = b"pseudorandomness is the next best thing".to_vec();
    cipher.apply_keystream(iv, &mut octets);
    let expected = "019ce7a26e7854014a6366aa95d4eefd1ad4172a14f9faf455b7f1d4b62bd08f\
                    562c0eef7c4802";
    assert_eq!(hex::encode(octets), expected);
}

//= tests/spec/srtp.md#key-derivation
//= type=test
//# Session keys MUST be derived with labels 0 to 2 for SRTP and 3 to 5 for SRTCP.
//= tests/spec/srtp.md#key-derivation
//= type=test
//# The label MUST land in octet 7 of the 14-octet salt.
//= tests/spec/srtp.md#key-derivation
//= type=test
//# A suite with 192-bit or 256-bit keys MUST derive with AES of that key length.
#[test]
fn session_keys_are_those_of_rfc_3711_b3_and_rfc_6188() {
    // suite, master key, master salt, k_e, k_s, k_a
    let table = [
        (
            Suite::AesCm128HmacSha1_80,
            "E1F97A0D3E018BE0D64FA32C06DE4139",
            "0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "30CBBC08863D8C85D49DB34A9AE1",
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
        ),
        (
            Suite::AesCm256HmacSha1_80,
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        ),
        (
            Suite::AesCm192HmacSha1_32,
            "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
            "c8522f3acd4ce86d5add78edbb11",
            "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
            "2372b82d639b6d8503a47adc0a6c",
            "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
        ),
    ];
    for (suite, key, salt, cipher, session_salt, authentication) in table {
        let keys = SessionKeys::derive(&MasterKey::new(suite, &hex(key), &hex(salt)).unwrap());
        assert_eq!(keys.srtp.cipher(), hex(cipher), "{suite:?}");
        assert_eq!(keys.srtp.salt()[..], hex(session_salt), "{suite:?}");
        assert_eq!(keys.srtp.authentication()[..], hex(authentication), "{suite:?}");
    }
}

#[test]
fn all_94_octets_of_the_authentication_key_of_rfc_3711_b3_follow() {
    let prf = AesKey::new(&hex("E1F97A0D3E018BE0D64FA32C06DE4139"));
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
    let mut key = [0; 94];
    expand_label(&prf, &salt, 1, &mut key);
    let expected = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                    E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                    6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
    assert_eq!(key[..], hex(expected));
}

//= tests/spec/srtp.md#key-derivation
//= type=test
//# Session keys MUST be derived with labels 0 to 2 for SRTP and 3 to 5 for SRTCP.
#[test]
fn srtcp_session_keys_of_the_rfc_3711_b3_master_use_labels_3_to_5() {
    // In no RFC; computed by an independent implementation.
    let master = MasterKey::new(
        Suite::AesCm128HmacSha1_80,
        &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        &hex("0EC675AD498AFEEBB6960B3AABE6"),
    );
    let keys = SessionKeys::derive(&master.unwrap());
    let authentication = hex("8d54534feb49ae8e7993a6bd0b844fc323a93dfd");
    assert_eq!(keys.srtcp.cipher(), hex("4c1aa45a81f73d61c800bbb00fbb1eaa"));
    assert_eq!(keys.srtcp.salt()[..], hex("9581c7ad87b3e530bf3e4454a8b3"));
    assert_eq!(keys.srtcp.authentication()[..], authentication);
}

struct Gcm {
    clause: &'static str,
    suite: Suite,
    operations: (Operation, Operation),
    encrypted: bool,
    /// What follows the plain packet's clear part, up to the identifier.
    sealed_tail: String,
}

const SRTP: (Operation, Operation) = (Operation::ProtectSrtp, Operation::UnprotectSrtp);
const SRTCP: (Operation, Operation) = (Operation::ProtectSrtcp, Operation::UnprotectSrtcp);
const RTP_PACKET: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976697361\
                          20696e207061727465732074726573";
const RTCP_PACKET: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                           deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

fn gcm_vectors() -> Vec<Gcm> {
    let payload = &RTP_PACKET[24..];
    let reports = &RTCP_PACKET[16..];
    let encrypted = |clause, suite, operations, tail: &str| Gcm {
        clause,
        suite,
        operations,
        encrypted: true,
        sealed_tail: tail.to_owned(),
    };
    let plain = |clause, suite, operations, packet: &str, tail: &str| Gcm {
        clause,
        suite,
        operations,
        encrypted: false,
        sealed_tail: format!("{packet}{tail}"),
    };
    let (small, large) = (Suite::AeadAes128Gcm, Suite::AeadAes256Gcm);
    vec![
        encrypted(
            "16.1.1",
            small,
            SRTP,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        plain("16.1.3", small, SRTP, payload, "22493f82d2bce397e9d79e3b19aa4216"),
        encrypted(
            "16.2.1",
            large,
            SRTP,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
        plain("16.2.3", large, SRTP, payload, "a866d5910f887463067ceefec45215d4"),
        encrypted(
            "17.1",
            small,
            SRTCP,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda\
             4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
        ),
        encrypted(
            "17.2",
            large,
            SRTCP,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be\
             8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        ),
        plain("17.3", small, SRTCP, reports, "841dd9683dd78ec92ae58790125f62b3000005d4"),
        plain("17.4", large, SRTCP, reports, "91db4afbfeee5a978fab4393ed2615fe000005d4"),
    ]
}

fn frame(vector: &Gcm, operation: Operation) -> Frame<'static> {
    let srtcp = vector.operations == SRTCP;
    Frame {
        operation,
        suite: vector.suite,
        ssrc: if srtcp {
            RtcpHeader::parse(&hex(RTCP_PACKET)).unwrap().ssrc()
        } else {
            RtpHeader::parse(&hex(RTP_PACKET)).unwrap().ssrc()
        },
        index: if srtcp { 0x5d4 } else { 0xf17b },
        clear_octets: if srtcp { 8 } else { 12 },
        encrypted: vector.encrypted,
        srtcp_word: if srtcp { u32::from(vector.encrypted) << 31 | 0x5d4 } else { 0 },
        mki: &[],
    }
}

//= tests/spec/srtp.md#transforms
//= type=test
//# The GCM IV MUST be made of session salt, SSRC and packet index, and the header MUST be
//# associated data.
//= tests/spec/srtp.md#transforms
//= type=test
//# A GCM tag MUST be 16 octets long.
//= tests/spec/srtp.md#e-bit
//= type=test
//# Unencrypted SRTCP under GCM MUST carry a tag over the whole packet.
//= tests/spec/srtp.md#order-of-checks
//= type=test
//# Plaintext MUST NOT be released before the tag is verified.
#[test]
fn galois_packets_are_those_of_rfc_7714_both_ways_and_survive_a_wrong_tag() {
    for vector in gcm_vectors() {
        let key: Vec<u8> = (0..32).take(vector.suite.key_len()).collect();
        let keys = ProtocolKeys::from_parts(&key, &hex("517569642070726f2071756f"), &[]);
        let transform = Transform::new(vector.suite, &keys);
        let (protect, unprotect) = vector.operations;
        let plain = hex(if vector.operations == SRTP { RTP_PACKET } else { RTCP_PACKET });
        let clear = frame(&vector, protect).clear_octets;
        let sealed = [&plain[..clear], &hex(&vector.sealed_tail)].concat();

        let mut buffer = plain.clone();
        buffer.resize(plain.len() + 20, 0);
        let octets = transform.run(&frame(&vector, protect), &mut buffer, plain.len());
        assert_eq!(octets, Ok(sealed.len()), "{}", vector.clause);
        assert_eq!(buffer[..sealed.len()], sealed, "{}", vector.clause);

        let octets = transform.run(&frame(&vector, unprotect), &mut buffer, sealed.len());
        assert_eq!(octets, Ok(plain.len()), "{}", vector.clause);
        assert_eq!(buffer[..plain.len()], plain, "{}", vector.clause);

        let mut forged = sealed;
        forged[9] ^= 4;
        let before = forged.clone();
        let octets = forged.len();
        let outcome = transform.run(&frame(&vector, unprotect), &mut forged, octets);
        assert_eq!(outcome, Err(CryptoFailure::Authentication), "{}", vector.clause);
        assert_eq!(forged, before, "{}", vector.clause);
    }
}
