//! G.711 A-law, 8 bits per sample of 16-bit linear audio (ITU-T G.711 table 1).

/// Even bits are inverted on the line.
const EVEN_BITS: u8 = 0x55;
const SIGN: u8 = 0x80;

/// Compresses one sample; the four lowest bits do not count.
pub(super) fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { SIGN };
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 4;
    // 11 bits are left; segment 0 and 1 share a step, every further segment doubles it.
    let segment = (magnitude >> 4).checked_ilog2().map_or(0, |highest| highest + 1);
    let mantissa = magnitude >> segment.saturating_sub(1) & 0x0f;
    let [_, mantissa] = mantissa.to_be_bytes();
    let [.., segment] = segment.to_be_bytes();
    (sign | segment << 4 | mantissa) ^ EVEN_BITS
}

/// Expands one octet to the middle of its interval.
pub(super) fn decode(octet: u8) -> i16 {
    let plain = octet ^ EVEN_BITS;
    let segment = plain >> 4 & 0x07;
    let mantissa = i16::from(plain & 0x0f);
    let magnitude = match segment.checked_sub(1) {
        None => mantissa << 4 | 8,
        Some(shift) => (0x100 | mantissa << 4 | 8) << shift,
    };
    if plain & SIGN == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_expand_to_the_values_of_the_recommendation() {
        // G.711 table 1a, column 7 (y_n), in units of 1/8 of 16-bit samples: values 1, 2, 33, 112,
        // 2944 and 4032, with their character signals after inversion of the even bits.
        let table = [(0xd5, 1), (0xd4, 3), (0xf5, 66), (0xd0, 11), (0xb5, 1056), (0xaa, 4032)];
        for (octet, eighth) in table {
            assert_eq!(decode(octet), eighth * 8, "{octet:#x}");
            assert_eq!(decode(octet ^ SIGN), -eighth * 8, "{octet:#x}");
        }
    }

    #[test]
    fn every_octet_comes_back_from_its_own_value() {
        for octet in 0..=u8::MAX {
            assert_eq!(encode(decode(octet)), octet);
        }
    }

    #[test]
    fn every_sample_is_off_by_at_most_half_the_step_of_its_segment() {
        for sample in i16::MIN..=i16::MAX {
            let error = i32::from(decode(encode(sample))) - i32::from(sample);
            let highest = i32::from(sample).unsigned_abs().max(1).ilog2();
            let half_step = 1 << (highest.max(8) - 5);
            assert!(error.abs() <= half_step, "{sample}: {error}");
        }
    }

    #[test]
    fn a_larger_sample_never_becomes_a_smaller_one() {
        let decoded: Vec<i16> = (i16::MIN..=i16::MAX).map(|s| decode(encode(s))).collect();
        assert!(decoded.is_sorted());
    }
}
