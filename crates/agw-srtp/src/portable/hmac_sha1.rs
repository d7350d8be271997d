//! A stream cipher with HMAC-SHA1, and HMAC-SHA1 alone (RFC 3711 §4.2.1).

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::CryptoFailure;
use crate::engine::{Frame, Operation};
use crate::kdf::ProtocolKeys;

/// A cipher that adds a keystream.
pub(crate) trait Cipher {
    /// Expands the session keys.
    fn new(keys: &ProtocolKeys) -> Self;

    /// Encrypts or decrypts what follows the octets in the clear.
    fn apply(&self, frame: &Frame<'_>, clear: &[u8], octets: &mut [u8]);
}

/// Cipher and MAC of SRTP or SRTCP.
pub(crate) struct HmacSha1<C> {
    cipher: C,
    mac: Hmac<Sha1>,
}

impl<C: Cipher> HmacSha1<C> {
    pub(super) fn new(keys: &ProtocolKeys) -> Self {
        Self {
            cipher: C::new(keys),
            mac: <Hmac<Sha1> as KeyInit>::new((&*padded_block(keys.authentication())).into()),
        }
    }

    /// SRTP: packet, identifier, tag. SRTCP: packet, E flag and index, identifier, tag.
    pub(super) fn seal(
        &self,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let total = octets + frame.trailer_len();
        if octets < frame.clear_octets {
            return Err(CryptoFailure::TooShort);
        }
        let sealed = buffer.get_mut(..total).ok_or(CryptoFailure::NoRoom)?;
        let (packet, trailer) = sealed.split_at_mut(octets);
        //= tests/spec/srtp.md#transforms
        //# Sealing MUST encrypt before it authenticates.
        self.cipher(frame, packet);
        let (word, trailer) =
            trailer.split_at_mut(trailer.len() - frame.tag_len() - frame.mki.len());
        if let Some(word) = word.first_chunk_mut::<4>() {
            *word = frame.srtcp_word.to_be_bytes();
        }
        let (mki, tag) = trailer.split_at_mut(frame.mki.len());
        mki.copy_from_slice(frame.mki);
        for (to, from) in tag.iter_mut().zip(self.tag(frame, packet)) {
            *to = from;
        }
        Ok(total)
    }

    /// Verifies, then decrypts; leaves the packet alone if the tag is wrong.
    pub(super) fn open(
        &self,
        frame: &Frame<'_>,
        buffer: &mut [u8],
        octets: usize,
    ) -> Result<usize, CryptoFailure> {
        let plain_octets = octets
            .checked_sub(frame.trailer_len())
            .filter(|plain| *plain >= frame.clear_octets)
            .ok_or(CryptoFailure::TooShort)?;
        let sealed = buffer.get_mut(..octets).ok_or(CryptoFailure::TooShort)?;
        let (rest, tag) = sealed.split_at_mut(octets - frame.tag_len());
        let packet = rest.get_mut(..plain_octets).ok_or(CryptoFailure::TooShort)?;
        //= tests/spec/srtp.md#suites
        //# SRTCP MUST always be authenticated.
        let expected = self.tag(frame, packet);
        let expected = expected.get(..tag.len()).unwrap_or_default();
        //= tests/spec/srtp.md#order-of-checks
        //# Plaintext MUST NOT be released before the tag is verified.
        //= tests/spec/srtp.md#order-of-checks
        //# Tags MUST be compared in constant time.
        if !bool::from(expected.ct_eq(tag)) {
            return Err(CryptoFailure::Authentication);
        }
        self.cipher(frame, packet);
        Ok(plain_octets)
    }

    /// Encrypts or decrypts what is not in the clear.
    fn cipher(&self, frame: &Frame<'_>, packet: &mut [u8]) {
        //= tests/spec/srtp.md#packet-forms
        //# Padding MUST be inside the encrypted part.
        if let (true, Some((clear, octets))) =
            (frame.encrypted, packet.split_at_mut_checked(frame.clear_octets))
        {
            self.cipher.apply(frame, clear, octets);
        }
    }

    /// The MAC covers the packet and what follows it on the wire for SRTCP, or is known to both
    /// ends for SRTP: the rollover counter. The identifier is outside (RFC 3711 §4.2).
    fn tag(&self, frame: &Frame<'_>, packet: &[u8]) -> [u8; 20] {
        let appendix = match frame.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => frame.roc(),
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => frame.srtcp_word,
        };
        //= tests/spec/srtp.md#packet-forms
        //# The authentication tag MUST NOT cover the MKI.
        //= tests/spec/srtp.md#transforms
        //# The tag MUST be the left-most bits of an HMAC-SHA1 over the packet and, for SRTP, its rollover
        //# counter.
        let mut mac = self.mac.clone();
        mac.update(packet);
        mac.update(&appendix.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// HMAC pads a short key with zeros to a block of 64 octets (RFC 2104).
fn padded_block(key: &[u8; 20]) -> Zeroizing<[u8; 64]> {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}
