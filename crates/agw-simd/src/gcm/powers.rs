//! The powers of the subkey, so that a packet's blocks are multiplied side by side and reduced
//! once.

use std::arch::x86_64::{__m128i, __m512i, _mm512_maskz_loadu_epi64};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::field::{Sum, times_x};
use crate::aes::{BLOCK, load_block, store_block};

/// How many powers are kept: with AAD and lengths, a packet of 14 blocks is one reduction.
pub(super) const POWERS: usize = 16;

/// H^16 down to H^1, as [`super::field`] has them. Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C, align(16))]
pub(super) struct Powers([[u8; BLOCK]; POWERS]);

impl Powers {
    pub(super) fn new(subkey: &[u8; BLOCK]) -> Self {
        let mut powers = Self([[0; BLOCK]; POWERS]);
        if let Some(first) = powers.0.last_mut() {
            *first = times_x(subkey).to_le_bytes();
        }
        // SAFETY: every level has carry-less multiplication, and keys are expanded where a level
        // is supported.
        unsafe { powers.fill() };
        powers
    }

    /// Each power from two that are half as high: a chain of four products, not of fifteen.
    #[target_feature(enable = "pclmulqdq")]
    fn fill(&mut self) {
        for power in 2..=POWERS {
            let product = Sum::product(self.at(power / 2), self.at(power - power / 2)).reduced();
            if let Some(place) = POWERS.checked_sub(power).and_then(|place| self.0.get_mut(place)) {
                store_block(place, product);
            }
        }
    }

    /// H to the power of `power`, from 1 to 16.
    #[inline(always)]
    pub(super) fn at(&self, power: usize) -> __m128i {
        load_block(self.0.get(POWERS - power).unwrap_or(&[0; BLOCK]))
    }

    /// The powers from `top` down to the first.
    #[inline(always)]
    pub(super) fn down_from(&self, top: usize) -> &[[u8; BLOCK]] {
        self.0.get(POWERS - top..).unwrap_or_default()
    }

    /// The powers from `top` (16 at most) down, one for each lane, four lanes at most; zeros behind.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn from(&self, top: usize, lanes: usize) -> __m512i {
        let place = POWERS - top.min(POWERS);
        let there = lanes.min(4).min(POWERS - place);
        let halves = (1_u16 << (2 * there)) - 1;
        let start = self.0.as_ptr().wrapping_add(place).cast();
        // SAFETY: the mask lets through `there` powers from `place` on, which are `POWERS` or less
        // together.
        unsafe { _mm512_maskz_loadu_epi64(halves as u8, start) }
    }
}
