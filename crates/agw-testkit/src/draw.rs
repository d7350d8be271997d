//! Choices read from octets: from a fuzzer's input, or from a seed.

/// Reads choices from octets, in order; at the end every choice is the first one.
#[derive(Debug, Clone)]
pub struct Draw<'a> {
    octets: &'a [u8],
}

impl<'a> Draw<'a> {
    /// Starts at the first octet.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// Whether all octets were read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The next octet.
    pub fn octet(&mut self) -> u8 {
        let Some((&first, rest)) = self.octets.split_first() else { return 0 };
        self.octets = rest;
        first
    }

    /// The next two octets, as a number.
    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// Whether the next octet is odd.
    pub fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// A number below `n`, at most 256.
    pub fn below(&mut self, n: u16) -> usize {
        usize::from(u16::from(self.octet()) % n.clamp(1, 256))
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let chosen = usize::from(self.octet()) % choices.len();
        choices[chosen]
    }

    /// Up to `n` octets as they are.
    pub fn octets(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.octets.split_at(n.min(self.octets.len()));
        self.octets = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.octets(usize::MAX)
    }
}

/// As many repeatable octets as asked for (SplitMix64).
#[must_use]
pub fn octets_of_seed(seed: u64, octets: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    });
    words.flat_map(u64::to_be_bytes).take(octets).collect()
}
