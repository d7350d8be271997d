//! Replay window with tickets: looking and remembering are two steps (RFC 3711 §3.3.2).

use std::num::NonZeroU64;

const INLINE_WORDS: usize = 2;
const WORD_BITS: u64 = 64;

/// Remembers which of the last 64 to 4,096 indices were seen.
///
/// Bit `index % size` of a ring stands for `index`; indices above the highest one are fresh,
/// indices `size` or more below it are too old. Before the first commit every index is fresh, and
/// after it the indices before the first one count as not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayWindow {
    bits: Bits,
    /// One above the highest index seen.
    end: Option<NonZeroU64>,
}

// The first line of a session has room for it.
const _: () = assert!(size_of::<ReplayWindow>() == 32);

/// The default size lives in the window itself, so that the usual session is one allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bits {
    Inline([u64; INLINE_WORDS]),
    Heap(Box<[u64]>),
}

/// An index that was not seen when it was checked. Only [`ReplayWindow::check`] makes one.
#[derive(Debug)]
#[must_use = "an authentic index has to be committed"]
pub struct Fresh {
    index: u64,
}

/// Why an index is not fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It was seen.
    Replay,
    /// It is behind the window.
    TooOld,
}

impl ReplayWindow {
    /// An empty window of `packets`, rounded up to a multiple of 64.
    #[must_use]
    pub fn new(packets: u16) -> Self {
        let words = usize::from(packets.max(1)).div_ceil(64);
        Self {
            bits: if words == INLINE_WORDS {
                Bits::Inline([0; INLINE_WORDS])
            } else {
                Bits::Heap(vec![0; words].into_boxed_slice())
            },
            end: None,
        }
    }

    /// An empty window of the usual size, which takes no memory but its own.
    pub(crate) const fn usual() -> Self {
        Self { bits: Bits::Inline([0; INLINE_WORDS]), end: None }
    }

    /// Whether it has the usual size.
    pub(crate) const fn is_usual(&self) -> bool {
        matches!(self.bits, Bits::Inline(_))
    }

    /// The same of another size. What a longer one knows nothing of counts as seen.
    pub(crate) fn resized(&self, packets: u16) -> Self {
        let mut new = Self::new(packets);
        let (Some(highest), size) = (self.highest(), new.size()) else {
            return new;
        };
        if size == self.size() {
            return self.clone();
        }
        new.end = self.end;
        for index in highest.saturating_sub(size - 1)..=highest {
            if self.check(index).is_err() {
                let (word, mask) = new.position(index);
                if let Some(word) = new.words_mut().get_mut(word) {
                    *word |= mask;
                }
            }
        }
        new
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.words_mut().fill(0);
        self.end = None;
    }

    /// Packets the window spans, the highest one included.
    #[inline]
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.bits {
            // A constant, so that the usual window needs no division.
            Bits::Inline(_) => INLINE_WORDS as u64 * WORD_BITS,
            Bits::Heap(words) => words.len() as u64 * WORD_BITS,
        }
    }

    /// The highest index seen.
    #[inline]
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.end.map(|end| end.get() - 1)
    }

    /// Looks whether `index` is fresh and remembers nothing.
    ///
    /// # Errors
    /// [`Stale::Replay`] if it was seen, [`Stale::TooOld`] if it is behind the window.
    #[inline(always)]
    pub fn check(&self, index: u64) -> Result<Fresh, Stale> {
        match self.highest() {
            Some(highest) if index <= highest => {
                if highest - index >= self.size() {
                    //= tests/spec/srtp.md#replay
                    //# An index behind the window MUST be discarded.
                    return Err(Stale::TooOld);
                }
                let (word, mask) = self.position(index);
                let seen = self.words().get(word).is_none_or(|word| word & mask != 0);
                if seen {
                    //= tests/spec/srtp.md#replay
                    //# An index that was received before MUST be discarded.
                    return Err(Stale::Replay);
                }
            }
            //= tests/spec/srtp.md#replay
            //# Packets before the first one MUST be accepted while they are inside the window.
            Some(_) | None => {}
        }
        Ok(Fresh { index })
    }

    /// Remembers a checked index and returns whether it is higher than any before.
    ///
    /// # Errors
    /// As [`ReplayWindow::check`], if other commits have made the index stale since.
    pub fn commit(&mut self, fresh: Fresh) -> Result<bool, Stale> {
        self.remember(fresh.index)
    }

    /// Checks an index and remembers it.
    #[inline(always)]
    pub(crate) fn remember(&mut self, index: u64) -> Result<bool, Stale> {
        let Fresh { index } = self.check(index)?;
        let highest = self.highest();
        let newer = highest.is_none_or(|highest| index > highest);
        //= tests/spec/srtp.md#packet-index
        //# A packet estimated one rollover behind MUST NOT change the rollover counter.
        if newer {
            self.forget_between(highest, index);
            self.end = NonZeroU64::new(index.wrapping_add(1));
        }
        let (word, mask) = self.position(index);
        if let Some(word) = self.words_mut().get_mut(word) {
            *word |= mask;
        }
        Ok(newer)
    }

    /// Clears the bits of the indices after `highest` up to and with `index`.
    #[inline]
    fn forget_between(&mut self, highest: Option<u64>, index: u64) {
        let Some(highest) = highest else {
            return;
        };
        if index - highest >= self.size() {
            self.words_mut().fill(0);
            return;
        }
        let mut start = highest + 1;
        while start <= index {
            let (word, _) = self.position(start);
            let low = start % WORD_BITS;
            let count = (WORD_BITS - low).min(index - start + 1);
            let mask = (u64::MAX >> (WORD_BITS - count)) << low;
            if let Some(word) = self.words_mut().get_mut(word) {
                *word &= !mask;
            }
            start += count;
        }
    }

    #[inline]
    fn position(&self, index: u64) -> (usize, u64) {
        let bit = match &self.bits {
            Bits::Inline(_) => index % (INLINE_WORDS as u64 * WORD_BITS),
            Bits::Heap(words) => index % (words.len() as u64 * WORD_BITS),
        };
        ((bit / WORD_BITS) as usize, 1 << (bit % WORD_BITS))
    }

    #[inline]
    fn words(&self) -> &[u64] {
        match &self.bits {
            Bits::Inline(words) => words,
            Bits::Heap(words) => words,
        }
    }

    #[inline]
    fn words_mut(&mut self) -> &mut [u64] {
        match &mut self.bits {
            Bits::Inline(words) => words,
            Bits::Heap(words) => words,
        }
    }
}
