//! The MACs against known answers and against RustCrypto.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::*;

/// A message with a key of its own.
struct Case {
    key: [u8; 20],
    packet: Vec<u8>,
    appendix: u32,
}

#[test]
fn the_answers_of_rfc_2202_come_out_of_every_kernel() {
    let hi_there = Case { key: [0x0b; 20], packet: b"Hi T".into(), appendix: 0x6865_7265 };
    let long = Case { key: [0xaa; 20], packet: vec![0xdd; 46], appendix: 0xdddd_dddd };
    let answers =
        ["b617318655057264e28bc0b6fb378c8ef146be00", "125d7342b9ac11cd91a39af48aa17b4f63f175d3"];
    for level in supported() {
        for copies in 1..=MAX_MESSAGES / 2 {
            let cases: Vec<&Case> = (0..copies).flat_map(|_| [&hi_there, &long]).collect();
            for (tag, answer) in computed(level, &cases).iter().zip(answers.iter().cycle()) {
                assert_eq!(hex::encode(tag), *answer, "{level} {copies}");
            }
        }
    }
}

#[test]
fn packets_of_every_length_get_the_mac_that_rustcrypto_computes() {
    let cases: Vec<Case> = (0..=1_500).map(case).collect();
    for level in supported() {
        for size in [1, 2, 3, 4, 5, 16, 17, 63, 64] {
            for batch in cases.chunks(size) {
                assert_right(level, &batch.iter().collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_batch_of_any_size_and_any_mixture_of_lengths_gets_its_macs() {
    let cases: Vec<Case> = (0..=1_500).map(case).collect();
    for level in supported() {
        for size in 0..=MAX_MESSAGES {
            for stride in [7, 64, 331, 1_009] {
                let batch: Vec<&Case> =
                    (0..size).map(|place| &cases[place * stride % cases.len()]).collect();
                assert_right(level, &batch);
            }
        }
    }
}

fn supported() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_supported())
}

fn case(octets: usize) -> Case {
    let mut key = [0x51; 20];
    key[..8].copy_from_slice(&(octets as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let packet = (0..octets).map(|place| (place * 31 + octets) as u8).collect();
    Case { key, packet, appendix: 0x0102_0304 ^ octets as u32 }
}

fn assert_right(level: Level, batch: &[&Case]) {
    for (tag, case) in computed(level, batch).iter().zip(batch) {
        let mut mac = Hmac::<Sha1>::new_from_slice(&case.key).unwrap();
        mac.update(&case.packet);
        mac.update(&case.appendix.to_be_bytes());
        let expected: [u8; 20] = mac.finalize().into_bytes().into();
        assert_eq!(*tag, expected, "{level}, {} of {}", case.packet.len(), batch.len());
    }
}

fn computed(level: Level, batch: &[&Case]) -> Vec<[u8; 20]> {
    let keys: Vec<MacKey> = batch.iter().map(|case| MacKey::new(level, &case.key)).collect();
    let messages: Vec<Message<'_>> = batch
        .iter()
        .zip(&keys)
        .map(|(case, key)| Message { key, packet: &case.packet, appendix: case.appendix })
        .collect();
    let mut tags = vec![[0; 20]; batch.len()];
    authenticate(level, &messages, &mut tags, &mut || ());
    tags
}
