//! SRTP against webrtc-srtp, both ways, over loss, reordering, duplicates and forgeries.
//!
//! Known differences are kept out of the sequences: at rollover counter 0 webrtc-srtp takes a jump
//! of more than 2^15 for a duplicate, its replay check knows sequence numbers and not indices, and a
//! late packet turns its highest index back. So sources start below 2^15, jump less than 2^14 and
//! are reordered within 32 packets. SRTCP is left out: its receiver lets unauthenticated lengths
//! panic.

use agw_srtp::{MasterKey, Portable, SessionParameters, Suite, UnprotectError};
use proptest::prelude::*;
use webrtc_srtp::context::Context;
use webrtc_srtp::option::srtp_replay_protection;
use webrtc_srtp::protection_profile::ProtectionProfile;

use crate::support::{Pair, SSRC, master, rtp};

const PROFILES: [(Suite, ProtectionProfile); 6] = [
    (Suite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (Suite::AesCm128HmacSha1_32, ProtectionProfile::Aes128CmHmacSha1_32),
    (Suite::AesCm256HmacSha1_80, ProtectionProfile::Aes256CmHmacSha1_80),
    (Suite::AesCm256HmacSha1_32, ProtectionProfile::Aes256CmHmacSha1_32),
    (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (Suite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

fn context(suite: Suite, profile: ProtectionProfile, window: Option<usize>) -> Context {
    let octets = master(suite, 1).expose(<[u8]>::to_vec);
    let (key, salt) = octets.split_at(suite.key_len());
    Context::new(key, salt, profile, window.map(srtp_replay_protection), None).unwrap()
}

/// A step between sequence numbers that loss and reordering may add up.
const SMALL: u16 = 2;

/// What arrives: which packet, and whether it was tampered with.
#[derive(Debug, Clone)]
struct Arrival {
    packet: usize,
    flipped_bit: Option<usize>,
}

/// Sequence numbers as sent, and arrivals: lost, late by up to 32, doubled, forged.
fn traffic() -> impl Strategy<Value = (Vec<u16>, Vec<Arrival>)> {
    let jump = prop_oneof![12 => 1_u16..=SMALL, 2 => 1_u16..200, 1 => 1_u16..16_000];
    let flipped_bit = prop::option::weighted(0.1, any::<usize>());
    let fate = (0_usize..32, any::<bool>(), any::<bool>(), flipped_bit);
    let packets = prop::collection::vec((jump, fate), 1..200);
    (1_u16..0x7fff, packets).prop_map(|(first, packets)| {
        let jumps: Vec<u16> = packets.iter().map(|(jump, _)| *jump).collect();
        let sequences = std::iter::once(&first).chain(&jumps).scan(0_u16, |sequence, step| {
            *sequence = sequence.wrapping_add(*step);
            Some(*sequence)
        });
        let sequences = sequences.take(packets.len()).collect();
        let mut arrivals = Vec::new();
        for (packet, (jump, (delay, lost, doubled, flipped_bit))) in packets.into_iter().enumerate()
        {
            // The first packet arrives first, and a jump is neither lost nor overtaken.
            let steady = jumps[packet..].iter().take_while(|jump| **jump <= SMALL).count();
            let due = packet + if packet == 0 { 0 } else { delay.min(steady) };
            if packet == 0 || jump > SMALL || !lost {
                arrivals.push((due, Arrival { packet, flipped_bit }));
            }
            if doubled || flipped_bit.is_some() {
                let flipped_bit = None;
                arrivals.push((due, Arrival { packet, flipped_bit }));
            }
        }
        arrivals.sort_by_key(|(due, _)| *due);
        let arrivals = arrivals.into_iter().map(|(_, arrival)| arrival).collect();
        (sequences, arrivals)
    })
}

proptest! {
    #[test]
    fn both_seal_alike_and_accept_and_refuse_alike(
        (suite, profile) in prop::sample::select(PROFILES.to_vec()),
        (sequences, arrivals) in traffic(),
    ) {
        let mut pair = Pair::of(suite);
        let mut their_sender = context(suite, profile, None);
        let mut their_receiver = context(suite, profile, Some(128));
        let mut sealed = Vec::new();
        for sequence in sequences {
            let plain = rtp(SSRC, sequence);
            let ours = pair.seal(&plain).unwrap();
            prop_assert_eq!(&ours[..], &their_sender.encrypt_rtp(&plain).unwrap()[..]);
            sealed.push(ours);
        }
        for Arrival { packet, flipped_bit } in arrivals {
            let mut arrived = sealed[packet].clone();
            if let Some(bit) = flipped_bit {
                // The header stays parsable, so that both look at the tag.
                let bit = 12 * 8 + bit % ((arrived.len() - 12) * 8);
                arrived[bit / 8] ^= 1 << (bit % 8);
            }
            let ours = pair.open(&arrived);
            let theirs = their_receiver.decrypt_rtp(&arrived);
            if flipped_bit.is_some() {
                prop_assert!(ours.is_err());
            }
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(&ours[..], &theirs[..]),
                (Err(_), Err(_)) => {}
                // Theirs is moved by one short tag, ours by two: from here on they differ.
                (Err(UnprotectError::Unconfirmed), Ok(_)) => return Ok(()),
                (ours, theirs) => prop_assert!(false, "{ours:?} but {theirs:?}"),
            }
        }
    }
}

//= tests/spec/srtp.md#replay
//= type=test
//# An index that was received before MUST be discarded.
#[test]
fn a_forged_or_repeated_packet_is_refused_by_both() {
    for (suite, profile) in PROFILES {
        let mut pair = Pair::of(suite);
        let mut theirs = context(suite, profile, Some(128));
        let sealed = pair.seal(&rtp(SSRC, 1)).unwrap();
        assert!(theirs.decrypt_rtp(&sealed).is_ok() && pair.open(&sealed).is_ok());
        assert!(theirs.decrypt_rtp(&sealed).is_err());
        assert_eq!(pair.open(&sealed), Err(UnprotectError::Replay));
    }
    let key = MasterKey::from_concatenated(Suite::AesCm128HmacSha1_80, &[1; 30]).unwrap();
    let keys = vec![agw_srtp::IngressKey::new(key)];
    let session = agw_srtp::Unprotector::new(&Portable, keys, SessionParameters::default(), 0);
    assert!(session.is_ok());
}
