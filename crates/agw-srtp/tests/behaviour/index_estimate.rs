//! The index estimate against RFC 3711 Appendix A, written down a second time and literally.

use std::thread::scope;

use agw_rtp::SequenceNumber;
use agw_srtp::{PacketIndex, estimate_index};

const ROCS: [u32; 4] = [0, 1, 0x7fff_ffff, u32::MAX];

/// Appendix A as printed, in wide signed numbers; `None` where it leaves 0 to 2^32 - 1 and would
/// go on modulo 2^32.
fn appendix_a(roc: u32, s_l: u16, seq: u16) -> Option<u64> {
    let (roc, s_l, seq) = (i64::from(roc), i64::from(s_l), i64::from(seq));
    let v;
    if s_l < 32_768 {
        if seq - s_l > 32_768 {
            v = roc - 1;
        } else {
            v = roc;
        }
    } else if s_l - 32_768 > seq {
        v = roc + 1;
    } else {
        v = roc;
    }
    let v = u32::try_from(v).ok()?;
    Some(u64::from(v) * 65_536 + u64::try_from(seq).unwrap())
}

/// Where Appendix A leaves the range, the rollover counter stays.
fn agrees(roc: u32, s_l: u16, seq: u16) -> bool {
    let expected = appendix_a(roc, s_l, seq).unwrap_or(u64::from(roc) * 65_536 + u64::from(seq));
    estimate_index(PacketIndex::new(roc, s_l), SequenceNumber(seq)).get() == expected
}

//= tests/spec/srtp.md#packet-index
//= type=test
//# The estimated rollover counter MUST be the one of the three candidates that brings the index
//# nearest to the highest authenticated one.
#[test]
fn the_estimate_is_appendix_a_near_every_decision() {
    let boundaries = [0, 1, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff];
    let highest = (0..=u16::MAX).step_by(61).chain(boundaries);
    for s_l in highest {
        let near =
            |centre: u16| (0..=6).map(move |step: u16| centre.wrapping_add(step).wrapping_sub(3));
        let sequences = near(0)
            .chain(near(s_l))
            .chain(near(s_l.wrapping_add(0x8000)))
            .chain(near(0x8000))
            .chain((0..=u16::MAX).step_by(997));
        for seq in sequences {
            for roc in ROCS {
                assert!(agrees(roc, s_l, seq), "ROC {roc} s_l {s_l} SEQ {seq}");
            }
        }
    }
}

//= tests/spec/srtp.md#packet-index
//= type=test
//# The estimated rollover counter MUST be the one of the three candidates that brings the index
//# nearest to the highest authenticated one.
#[test]
#[ignore = "2^34 cases: half a minute with --release"]
fn the_estimate_is_appendix_a_everywhere() {
    let sweep = |highest: std::ops::RangeInclusive<u16>| {
        for s_l in highest {
            for seq in 0..=u16::MAX {
                for roc in ROCS {
                    assert!(agrees(roc, s_l, seq), "ROC {roc} s_l {s_l} SEQ {seq}");
                }
            }
        }
    };
    scope(|threads| {
        threads.spawn(|| sweep(0..=0x7fff));
        threads.spawn(|| sweep(0x8000..=0xffff));
    });
}
