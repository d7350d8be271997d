use std::mem::{MaybeUninit, size_of};
use std::slice;

use ::aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ::aes::{Aes128Enc, Aes192Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;

use super::*;
use crate::guarded::Guarded;

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

/// The levels of this processor; says which are missing.
pub(crate) fn levels() -> Vec<Level> {
    let (found, missing) = Level::ALL.into_iter().partition::<Vec<_>, _>(|l| l.is_supported());
    for level in missing {
        eprintln!("not tried: this processor has no {level}");
    }
    found
}

/// Octets without a pattern, the same in every run.
pub(crate) fn noise(seed: u32, octets: usize) -> Vec<u8> {
    let mut state = u64::from(seed) | 1 << 40;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..octets).map(|_| next()).collect()
}

fn apply(level: Level, key: &[u8], iv: &[u8; BLOCK], octets: &mut [u8]) {
    let first = CounterBlock(u128::from_be_bytes(*iv));
    match key.len() {
        16 => apply_keystream(level, &RoundKeys::<11>::new(key), first, octets),
        24 => apply_keystream(level, &RoundKeys::<13>::new(key), first, octets),
        _ => apply_keystream(level, &RoundKeys::<15>::new(key), first, octets),
    }
}

/// What RustCrypto makes of it.
fn apply_peer(key: &[u8], iv: &[u8; BLOCK], octets: &mut [u8]) {
    fn run<
        C: ::aes::cipher::BlockCipherEncrypt
            + ::aes::cipher::BlockSizeUser<BlockSize = ctr::cipher::consts::U16>,
    >(
        cipher: &C,
        iv: &[u8; BLOCK],
        octets: &mut [u8],
    ) {
        CtrCore::<_, Ctr32BE>::inner_iv_init(cipher, iv.into())
            .apply_keystream_partial(octets.into());
    }
    match key.len() {
        16 => run(&Aes128Enc::new(key.try_into().unwrap()), iv, octets),
        24 => run(&Aes192Enc::new(key.try_into().unwrap()), iv, octets),
        _ => run(&Aes256Enc::new(key.try_into().unwrap()), iv, octets),
    }
}

#[test]
fn blocks_are_those_of_fips_197() {
    if levels().is_empty() {
        return;
    }
    let key: Vec<u8> = (0..32).collect();
    let plain = hex("00112233445566778899aabbccddeeff").try_into().unwrap();
    let found = [
        encrypt_block(&RoundKeys::<11>::new(&key[..16]), &plain),
        encrypt_block(&RoundKeys::<13>::new(&key[..24]), &plain),
        encrypt_block(&RoundKeys::<15>::new(&key), &plain),
    ];
    let expected = [
        "69c4e0d86a7b0430d8cdb78070b4c55a",
        "dda97ca4864cdfe06eaf70a0ec0d7191",
        "8ea2b7ca516745bfeafc49904b496089",
    ];
    assert_eq!(found.map(hex::encode), expected);
}

#[test]
fn keystreams_are_those_of_rfc_3711_b2_and_rfc_6188() {
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
    let mut iv = [0; BLOCK];
    iv[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
    for level in levels() {
        for (key, first_blocks, last_blocks) in table {
            let mut keystream = vec![0; 65_282 * BLOCK];
            apply(level, &hex(key), &iv, &mut keystream);
            assert_eq!(keystream[..48], hex(first_blocks), "{level} {key}");
            assert_eq!(keystream[0xfeff * BLOCK..], hex(last_blocks), "{level} {key}");
        }
    }
}

#[test]
fn a_keystream_of_any_length_is_that_of_rust_crypto() {
    for level in levels() {
        for key_octets in [16, 24, 32] {
            for octets in 0..=1500 {
                let key = noise(octets as u32, key_octets);
                let iv = noise(octets as u32 + 1, BLOCK).try_into().unwrap();
                let mut found = noise(octets as u32 + 2, octets);
                let mut expected = found.clone();
                apply(level, &key, &iv, &mut found);
                apply_peer(&key, &iv, &mut expected);
                assert_eq!(found, expected, "{level}, key {key_octets}, text {octets}");
            }
        }
    }
}

#[test]
fn the_counter_wraps_within_its_32_bits() {
    for level in levels() {
        for before_the_end in 0..20 {
            let key = noise(1, 16);
            let mut iv = [0xff; BLOCK];
            iv[15] = 0xff - before_the_end;
            let (mut found, mut expected) = ([0; 300], [0; 300]);
            apply(level, &key, &iv, &mut found);
            apply_peer(&key, &iv, &mut expected);
            assert_eq!(found, expected, "{level}, {before_the_end} blocks before the end");
        }
    }
}

#[test]
fn a_keystream_stays_within_its_octets() {
    let mut guarded = Guarded::new();
    for level in levels() {
        for octets in 0..=600 {
            let mut expected = vec![0; octets];
            apply_peer(&[3; 16], &[9; BLOCK], &mut expected);
            let first = guarded.first(octets);
            first.fill(0);
            apply(level, &[3; 16], &[9; BLOCK], first);
            assert_eq!(first, expected, "{level}, {octets} octets");
            let last = guarded.last(octets);
            last.fill(0);
            apply(level, &[3; 16], &[9; BLOCK], last);
            assert_eq!(last, expected, "{level}, {octets} octets");
            // What lies in the same page beside them is theirs who put it there.
            let around = guarded.last(octets + 128);
            around.fill(0xa5);
            apply(level, &[3; 16], &[9; BLOCK], &mut around[64..64 + octets]);
            let (before, behind) = (&around[..64], &around[64 + octets..]);
            assert!(before.iter().chain(behind).all(|octet| *octet == 0xa5), "{level}, {octets}");
        }
    }
}

//= tests/spec/srtp.md#key-material
//= type=test
//# Key material MUST be wiped when it is released.
#[test]
fn round_keys_are_wiped_on_drop() {
    if levels().is_empty() {
        return;
    }
    let left = left_after_drop(RoundKeys::<15>::new(&[7; 32]), |keys| {
        assert!(keys.iter().any(|octet| *octet != 0));
    });
    assert!(left.iter().all(|octet| *octet == 0));
}

/// The octets that a value leaves behind where it was.
pub(crate) fn left_after_drop<T>(value: T, before: impl FnOnce(&[u8])) -> Vec<u8> {
    let mut place = Box::new(MaybeUninit::<T>::zeroed());
    let start = place.write(value) as *mut T;
    // SAFETY: `size_of::<T>()` octets of the box; types without padding are tried only.
    before(unsafe { slice::from_raw_parts(start.cast(), size_of::<T>()) });
    // SAFETY: the value was written above and is not used again.
    unsafe { start.drop_in_place() };
    // SAFETY: the box is still there, its octets are initialised.
    unsafe { slice::from_raw_parts(start.cast(), size_of::<T>()) }.to_vec()
}
