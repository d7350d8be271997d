//! Session keys as the kernels work with them, in as little memory as goes.
//!
//! Ten thousand sessions do not fit in the caches, so what a packet reads of its keys comes from
//! memory, line by line: SRTP's are expanded and stand together at the start of a line. SRTCP
//! packets are rare: theirs are expanded when they are used.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::ops::Range;

use agw_srtp::{CryptoFailure, Frame, MasterKey, Operation, SessionKeys, Suite};
use zeroize::ZeroizeOnDrop;

use crate::Level;
use crate::cm::{self, StreamCipher};
use crate::f8;
use crate::gcm::{CompactGalois, Galois};

/// The session keys of one master key. Wiped on drop: every part wipes itself.
///
/// They stay in one place for life: moving a session moves a pointer and leaves no copy behind.
pub struct SimdKeys {
    suited: Suited,
}

/// Keys in the form that the suite needs.
enum Suited {
    CounterMode128(Box<Keys<cm::Expanded<11>, cm::Compact<11>>>),
    CounterMode192(Box<Keys<cm::Expanded<13>, cm::Compact<13>>>),
    CounterMode256(Box<Keys<cm::Expanded<15>, cm::Compact<15>>>),
    Galois128(Box<Keys<Galois<11>, CompactGalois<11>>>),
    Galois256(Box<Keys<Galois<15>, CompactGalois<15>>>),
    F8(Box<Keys<f8::Expanded, f8::Compact>>),
}

/// Keys for SRTP and for SRTCP.
#[repr(C, align(64))]
struct Keys<S, C> {
    srtp: S,
    srtcp: C,
}

/// What the expanded keys of one direction may take, in octets.
const MAX_OCTETS: usize = 576;

const _: () = {
    assert!(size_of::<Keys<cm::Expanded<11>, cm::Compact<11>>>() <= 384);
    assert!(size_of::<Keys<cm::Expanded<13>, cm::Compact<13>>>() <= MAX_OCTETS);
    assert!(size_of::<Keys<cm::Expanded<15>, cm::Compact<15>>>() <= MAX_OCTETS);
    assert!(size_of::<Keys<f8::Expanded, f8::Compact>>() <= MAX_OCTETS);
    assert!(size_of::<Keys<Galois<11>, CompactGalois<11>>>() <= MAX_OCTETS);
    assert!(size_of::<Keys<Galois<15>, CompactGalois<15>>>() <= MAX_OCTETS);
};

/// The keys of a packet, as the way it is worked on.
pub(crate) enum Transform<'a> {
    /// In two halves, around a MAC.
    Stream(&'a dyn StreamCipher),
    /// At one go.
    Galois(&'a dyn GaloisMode),
}

/// Cipher of SRTP or SRTCP. A packet is worked on in place, and its new length returned.
pub(crate) trait GaloisMode {
    /// SRTP: packet, tag, identifier. SRTCP: packet, tag, E flag and index, identifier.
    ///
    /// # Errors
    /// [`CryptoFailure::TooShort`] or [`CryptoFailure::NoRoom`]; the packet is as it was.
    fn seal(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure>;

    /// Verifies, then decrypts.
    ///
    /// # Errors
    /// [`CryptoFailure::TooShort`] or [`CryptoFailure::Authentication`]; the packet is as it was.
    fn open(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure>;

    /// Opens or seals as the frame says.
    ///
    /// # Errors
    /// Those of [`seal`](Self::seal) and [`open`](Self::open).
    fn run(
        &self,
        level: Level,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        match frame.operation {
            Operation::ProtectSrtp | Operation::ProtectSrtcp => {
                self.seal(level, frame, buffer, octets)
            }
            Operation::UnprotectSrtp | Operation::UnprotectSrtcp => {
                self.open(level, frame, buffer, octets)
            }
        }
    }
}

/// Keys that may be this engine's.
pub(crate) trait AsSimdKeys {
    /// The keys, if they are.
    fn simd_keys(&self) -> Option<&SimdKeys>;
}

impl AsSimdKeys for SimdKeys {
    #[inline]
    fn simd_keys(&self) -> Option<&SimdKeys> {
        Some(self)
    }
}

//= tests/spec/srtp.md#key-material
//# Key material MUST be wiped when it is released.
impl ZeroizeOnDrop for SimdKeys {}

impl SimdKeys {
    /// Derives and expands the session keys of `master` on a processor that supports `level`.
    pub(crate) fn expand(level: Level, master: &MasterKey) -> Self {
        let SessionKeys { srtp, srtcp } = &SessionKeys::derive(master);
        let suited = match master.suite() {
            Suite::AesCm128HmacSha1_80
            | Suite::AesCm128HmacSha1_32
            | Suite::NullHmacSha1_80
            | Suite::NullHmacSha1_32 => Suited::CounterMode128(Box::new(Keys {
                srtp: cm::Expanded::new(level, srtp),
                srtcp: cm::Compact::new(level, srtcp),
            })),
            Suite::AesCm192HmacSha1_80 | Suite::AesCm192HmacSha1_32 => {
                Suited::CounterMode192(Box::new(Keys {
                    srtp: cm::Expanded::new(level, srtp),
                    srtcp: cm::Compact::new(level, srtcp),
                }))
            }
            Suite::AesCm256HmacSha1_80 | Suite::AesCm256HmacSha1_32 => {
                Suited::CounterMode256(Box::new(Keys {
                    srtp: cm::Expanded::new(level, srtp),
                    srtcp: cm::Compact::new(level, srtcp),
                }))
            }
            Suite::AeadAes128Gcm => Suited::Galois128(Box::new(Keys {
                srtp: Galois::new(srtp),
                srtcp: CompactGalois::new(srtcp),
            })),
            Suite::AeadAes256Gcm => Suited::Galois256(Box::new(Keys {
                srtp: Galois::new(srtp),
                srtcp: CompactGalois::new(srtcp),
            })),
            Suite::AesF8128HmacSha1_80 => Suited::F8(Box::new(Keys {
                srtp: f8::Expanded::new(level, srtp),
                srtcp: f8::Compact::new(level, srtcp),
            })),
        };
        Self { suited }
    }

    /// The keys for a packet.
    #[inline]
    pub(crate) fn transform(&self, frame: &Frame<'_>) -> Transform<'_> {
        let srtp = match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => true,
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => false,
        };
        match (&self.suited, srtp) {
            (Suited::CounterMode128(keys), true) => Transform::Stream(&keys.srtp),
            (Suited::CounterMode128(keys), false) => Transform::Stream(&keys.srtcp),
            (Suited::CounterMode192(keys), true) => Transform::Stream(&keys.srtp),
            (Suited::CounterMode192(keys), false) => Transform::Stream(&keys.srtcp),
            (Suited::CounterMode256(keys), true) => Transform::Stream(&keys.srtp),
            (Suited::CounterMode256(keys), false) => Transform::Stream(&keys.srtcp),
            (Suited::Galois128(keys), true) => Transform::Galois(&keys.srtp),
            (Suited::Galois128(keys), false) => Transform::Galois(&keys.srtcp),
            (Suited::Galois256(keys), true) => Transform::Galois(&keys.srtp),
            (Suited::Galois256(keys), false) => Transform::Galois(&keys.srtcp),
            (Suited::F8(keys), true) => Transform::Stream(&keys.srtp),
            (Suited::F8(keys), false) => Transform::Stream(&keys.srtcp),
        }
    }

    /// Asks memory for the lines of the SRTP keys that are needed before and for the MAC.
    #[inline]
    pub(crate) fn prefetch_first(&self, operation: Operation) {
        // To seal, the cipher comes first; to open, the MAC, whose keys stand in the first line.
        let lines = match operation {
            Operation::ProtectSrtp | Operation::ProtectSrtcp => 0..MOST_LINES,
            Operation::UnprotectSrtp | Operation::UnprotectSrtcp => 0..1,
        };
        match &self.suited {
            Suited::CounterMode128(keys) => prefetch(&keys.srtp, lines),
            Suited::CounterMode192(keys) => prefetch(&keys.srtp, lines),
            Suited::CounterMode256(keys) => prefetch(&keys.srtp, lines),
            Suited::Galois128(keys) => prefetch(&keys.srtp, 0..MOST_LINES),
            Suited::Galois256(keys) => prefetch(&keys.srtp, 0..MOST_LINES),
            Suited::F8(keys) => prefetch(&keys.srtp, lines),
        }
    }

    /// Asks memory for the lines of the SRTP keys that are needed after the MAC.
    #[inline]
    pub(crate) fn prefetch_rest(&self, operation: Operation) {
        let lines = match operation {
            Operation::ProtectSrtp | Operation::ProtectSrtcp => 0..0,
            Operation::UnprotectSrtp | Operation::UnprotectSrtcp => 1..MOST_LINES,
        };
        match &self.suited {
            Suited::CounterMode128(keys) => prefetch(&keys.srtp, lines),
            Suited::CounterMode192(keys) => prefetch(&keys.srtp, lines),
            Suited::CounterMode256(keys) => prefetch(&keys.srtp, lines),
            Suited::F8(keys) => prefetch(&keys.srtp, lines),
            Suited::Galois128(_) | Suited::Galois256(_) => {}
        }
    }
}

/// Octets that come from memory together.
const LINE: usize = 64;

/// Lines that any keys take.
const MOST_LINES: usize = MAX_OCTETS / LINE;

/// Asks for lines of a value, as far as it has them.
#[inline(always)]
pub(crate) fn prefetch<T>(value: &T, lines: Range<usize>) {
    let start = std::ptr::from_ref(value).cast::<i8>();
    for line in lines.start..lines.end.min(size_of::<T>().div_ceil(LINE)) {
        // SAFETY: a hint, which reads nothing and refuses no address; SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE)) };
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;
    use crate::sha1::MacKey;

    /// Compiles for types that wipe themselves only.
    fn wipes<T: ZeroizeOnDrop>() {}

    //= tests/spec/srtp.md#key-material
    //= type=test
    //# Key material MUST be wiped when it is released.
    #[test]
    fn every_part_that_holds_key_material_wipes_itself() {
        wipes::<SimdKeys>();
        wipes::<MacKey>();
        wipes::<cm::Expanded<11>>();
        wipes::<cm::Compact<13>>();
        wipes::<f8::Expanded>();
        wipes::<f8::Compact>();
        wipes::<Galois<11>>();
        wipes::<CompactGalois<15>>();
    }
}
