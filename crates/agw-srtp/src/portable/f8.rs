//! AES-128 in f8 mode (RFC 3711 §4.1.2): a keystream that feeds back into itself.

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use super::hmac_sha1::Cipher;
use crate::engine::{Frame, Operation};
use crate::kdf::ProtocolKeys;

/// What pads the salt to the length of the key (RFC 3711 §4.1.2.1).
const MASK: u8 = 0x55;

/// The cipher of SRTP or SRTCP. Wiped on drop by the `aes` crate.
pub(crate) struct F8 {
    key: Aes128Enc,
    /// The key under the mask, which turns an IV into the first block.
    masked: Aes128Enc,
}

impl F8 {
    /// Expands a key of 16 octets, and the same key with salt and padding added.
    pub(crate) fn with_salt(key: &[u8], salt: &[u8]) -> Self {
        let mut plain = Zeroizing::new([0; 16]);
        let mut masked = Zeroizing::new([0; 16]);
        let mask = salt.iter().copied().chain(std::iter::repeat(MASK));
        for (((plain, masked), key), mask) in
            plain.iter_mut().zip(masked.iter_mut()).zip(key).zip(mask)
        {
            *plain = *key;
            *masked = *key ^ mask;
        }
        Self { key: Aes128Enc::new((&*plain).into()), masked: Aes128Enc::new((&*masked).into()) }
    }

    //= tests/spec/srtp.md#f8-mode
    //# The f8 keystream MUST start from the IV encrypted under the key with the padded salt added.
    /// Adds the keystream of `iv` (RFC 3711 §4.1.2.1): each block is made of the one before, the
    /// first block and the block's number.
    pub(crate) fn apply_keystream(&self, iv: [u8; 16], octets: &mut [u8]) {
        let mut first = iv.into();
        self.masked.encrypt_block(&mut first);
        let first = u128::from_be_bytes(first.into());
        let mut last = 0;
        for (number, chunk) in (0..).zip(octets.chunks_mut(16)) {
            let mut block = (first ^ number ^ last).to_be_bytes().into();
            self.key.encrypt_block(&mut block);
            let block: [u8; 16] = block.into();
            last = u128::from_be_bytes(block);
            for (to, from) in chunk.iter_mut().zip(block) {
                *to ^= from;
            }
        }
    }
}

impl Cipher for F8 {
    fn new(keys: &ProtocolKeys) -> Self {
        Self::with_salt(keys.cipher(), keys.salt())
    }

    fn apply(&self, frame: &Frame<'_>, clear: &[u8], octets: &mut [u8]) {
        self.apply_keystream(frame.f8_iv(clear), octets);
    }
}

impl Frame<'_> {
    //= tests/spec/srtp.md#f8-mode
    //# The f8 IV of SRTP MUST be made of marker, payload type, sequence number, timestamp, SSRC and
    //# rollover counter.
    //= tests/spec/srtp.md#f8-mode
    //# The f8 IV of SRTCP MUST be made of the word with E bit and index and of the first header.
    /// The IV of f8 mode, from the octets in the clear with which the packet begins.
    ///
    /// SRTP: a zero octet, the fixed header from its second octet on, the rollover counter
    /// (RFC 3711 §4.1.2.2). SRTCP: 32 zero bits, the word with E flag and index, the first header
    /// with its SSRC (RFC 3711 §4.1.2.3).
    #[must_use]
    pub fn f8_iv(&self, clear: &[u8]) -> [u8; 16] {
        let header = |octets: usize| {
            let header = clear.iter().take(octets);
            header.fold(0, |header, &octet| header << 8 | u128::from(octet))
        };
        match self.operation {
            Operation::ProtectSrtp | Operation::UnprotectSrtp => {
                let without_first_octet = header(12) & ((1 << 88) - 1);
                without_first_octet << 32 | u128::from(self.roc())
            }
            Operation::ProtectSrtcp | Operation::UnprotectSrtcp => {
                u128::from(self.srtcp_word) << 64 | header(8)
            }
        }
        .to_be_bytes()
    }
}
