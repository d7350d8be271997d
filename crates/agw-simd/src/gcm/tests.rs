use aes_gcm::aead::consts::U12;
use aes_gcm::{AeadInOut, AesGcm, KeyInit};

use super::*;
use crate::aes::tests::{left_after_drop, levels, noise};

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// A packet under GCM as each side makes it.
pub(super) struct Packet {
    key: Vec<u8>,
    nonce: [u8; NONCE],
    pub(super) aad: Vec<u8>,
    pub(super) text: Vec<u8>,
}

impl Packet {
    pub(super) fn noise(key_octets: usize, aad_octets: usize, text_octets: usize) -> Self {
        let seed = (aad_octets << 16 | text_octets) as u32;
        Self {
            key: noise(seed, key_octets),
            nonce: noise(seed + 1, NONCE).try_into().unwrap(),
            aad: noise(seed + 2, aad_octets),
            text: noise(seed + 3, text_octets),
        }
    }

    fn seal(&self, level: Level) -> (Vec<u8>, [u8; TAG]) {
        let mut text = self.text.clone();
        let tag = self.seal_in_place(level, &self.aad, &mut text);
        (text, tag)
    }

    fn open(&self, level: Level, text: &mut [u8], tag: &[u8; TAG]) -> Result<(), BadTag> {
        self.open_in_place(level, &self.aad, text, tag)
    }

    /// Of the packet only key and nonce.
    pub(super) fn seal_in_place(&self, level: Level, aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let first = FirstCounter::new(&self.nonce, 0);
        match self.key.len() {
            16 => seal(level, &GcmKey::<11>::new(&self.key), first, aad, text),
            _ => seal(level, &GcmKey::<15>::new(&self.key), first, aad, text),
        }
    }

    /// Of the packet only key and nonce.
    pub(super) fn open_in_place(
        &self,
        level: Level,
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), BadTag> {
        let first = FirstCounter::new(&self.nonce, 0);
        match self.key.len() {
            16 => open(level, &GcmKey::<11>::new(&self.key), first, aad, text, tag),
            _ => open(level, &GcmKey::<15>::new(&self.key), first, aad, text, tag),
        }
    }

    /// What RustCrypto makes of it.
    pub(super) fn seal_by_peer(&self) -> (Vec<u8>, [u8; TAG]) {
        let (nonce, mut text) = (self.nonce.into(), self.text.clone());
        let out = text.as_mut_slice().into();
        let tag = match self.key.len() {
            16 => AesGcm::<::aes::Aes128Enc, U12>::new(self.key[..].try_into().unwrap())
                .encrypt_inout_detached(&nonce, &self.aad, out),
            _ => AesGcm::<::aes::Aes256Enc, U12>::new(self.key[..].try_into().unwrap())
                .encrypt_inout_detached(&nonce, &self.aad, out),
        };
        (text, tag.unwrap().into())
    }

    fn check(&self, level: Level) {
        let what = (level, self.key.len(), self.aad.len(), self.text.len());
        let (sealed, tag) = self.seal(level);
        assert_eq!((&sealed, tag), (&self.seal_by_peer().0, self.seal_by_peer().1), "{what:?}");
        let mut opened = sealed.clone();
        assert_eq!(self.open(level, &mut opened, &tag), Ok(()), "{what:?}");
        assert_eq!(opened, self.text, "{what:?}");
    }
}

#[test]
fn texts_and_tags_are_those_of_the_gcm_specification() {
    // McGrew and Viega, test cases 1, 2, 4, 13, 14 and 16: key, nonce, aad, text, sealed, tag.
    let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    let aad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
    let (key, nonce) = ("feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888");
    let (zero, long_key) = ("00000000000000000000000000000000", format!("{key}{key}"));
    let table = [
        (zero.into(), &zero[..24], "", "", "", "58e2fccefa7e3061367f1d57a4e7455a"),
        (
            zero.into(),
            &zero[..24],
            "",
            zero,
            "0388dace60b6a392f328c2b971b2fe78",
            "ab6e47d42cec13bdf53a67b21257bddf",
        ),
        (
            key.into(),
            nonce,
            aad,
            text,
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        ),
        (format!("{zero}{zero}"), &zero[..24], "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
        (
            format!("{zero}{zero}"),
            &zero[..24],
            "",
            zero,
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        ),
        (
            long_key,
            nonce,
            aad,
            text,
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ),
    ];
    for level in levels() {
        for (key, nonce, aad, text, sealed, tag) in &table {
            let packet = Packet {
                key: hex(key),
                nonce: hex(nonce).try_into().unwrap(),
                aad: hex(aad),
                text: hex(text),
            };
            let (found, found_tag) = packet.seal(level);
            assert_eq!(
                (hex::encode(found), hex::encode(found_tag).as_str()),
                (sealed.to_string(), *tag),
                "{level}"
            );
        }
    }
}

#[test]
fn texts_of_any_length_are_sealed_as_by_rust_crypto_and_opened() {
    for level in levels() {
        for text_octets in 0..=1500 {
            for key_octets in [16, 32] {
                Packet::noise(key_octets, 12, text_octets).check(level);
            }
        }
    }
}

#[test]
fn associated_data_of_any_length_is_sealed_as_by_rust_crypto_and_opened() {
    for level in levels() {
        for aad_octets in (0..=64).chain([100, 255, 256, 257, 600, 1500]) {
            for text_octets in (0..=300).step_by(7).chain([160, 192, 208, 224, 240, 241, 256]) {
                Packet::noise(16, aad_octets, text_octets).check(level);
            }
        }
    }
}

//= tests/spec/srtp.md#order-of-checks
//= type=test
//# Plaintext MUST NOT be released before the tag is verified.
#[test]
fn any_wrong_bit_is_found_and_leaves_the_text_as_it_was() {
    for level in levels() {
        for (aad_octets, text_octets) in [(12, 160), (12, 0), (0, 17), (28, 240), (12, 700)] {
            let mut packet = Packet::noise(16, aad_octets, text_octets);
            let (sealed, tag) = packet.seal(level);
            for bit in 0..8 * (TAG + aad_octets + text_octets) {
                let (mut text, mut forged) = (sealed.clone(), tag);
                let octets = forged.iter_mut().chain(&mut packet.aad).chain(&mut text);
                *octets.into_iter().nth(bit / 8).unwrap() ^= 1 << (bit % 8);
                let before = text.clone();
                assert_eq!(packet.open(level, &mut text, &forged), Err(BadTag), "{level}, {bit}");
                assert_eq!(text, before, "{level}, {bit}");
                if let Some(octet) =
                    (bit / 8).checked_sub(TAG).and_then(|at| packet.aad.get_mut(at))
                {
                    *octet ^= 1 << (bit % 8);
                }
            }
        }
    }
}

//= tests/spec/srtp.md#key-material
//= type=test
//# Key material MUST be wiped when it is released.
#[test]
fn keys_are_wiped_on_drop() {
    if levels().is_empty() {
        return;
    }
    let left = left_after_drop(GcmKey::<11>::new(&[7; 16]), |key| {
        let (rounds, powers) = key.split_at(11 * 16);
        assert!(rounds.chunks(16).chain(powers.chunks(16)).all(|block| block != [0; 16]));
    });
    assert!(left.iter().all(|octet| *octet == 0));
}
