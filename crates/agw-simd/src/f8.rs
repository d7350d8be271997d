//! AES-128 in f8 mode with HMAC-SHA1 (RFC 3711 §4.1.2): each block of the keystream feeds the next
//! one, so that a packet's blocks come one after the other; the MACs of packets go side by side.

use agw_srtp::{Frame, ProtocolKeys};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::Level;
use crate::aes::{BLOCK, RoundKeys, encrypt_block};
use crate::cm::StreamCipher;
use crate::sha1::MacKey;

/// What pads the salt to the length of the key (RFC 3711 §4.1.2.1).
const MASK: u8 = 0x55;

/// Keys expanded.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(C)]
pub(crate) struct Expanded {
    mac: MacKey,
    round_keys: Ciphers,
}

/// Keys for packets that are rare: the cipher's are expanded for each, and take little room.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Compact {
    mac: MacKey,
    cipher: [u8; BLOCK],
    masked: [u8; BLOCK],
}

/// The key, and the key under the mask, which turns an IV into the first block.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Ciphers {
    key: RoundKeys<11>,
    masked: RoundKeys<11>,
}

impl Expanded {
    pub(crate) fn new(level: Level, keys: &ProtocolKeys) -> Self {
        let compact = Compact::new(level, keys);
        Self {
            mac: MacKey::new(level, keys.authentication()),
            round_keys: Ciphers::new(&compact.cipher, &compact.masked),
        }
    }
}

impl Compact {
    pub(crate) fn new(level: Level, keys: &ProtocolKeys) -> Self {
        let mac = MacKey::new(level, keys.authentication());
        let mut compact = Self { mac, cipher: [0; BLOCK], masked: [0; BLOCK] };
        let padded = keys.salt().iter().copied().chain(std::iter::repeat(MASK));
        let places = compact.cipher.iter_mut().zip(&mut compact.masked);
        for ((cipher, masked), (key, mask)) in places.zip(keys.cipher().iter().zip(padded)) {
            (*cipher, *masked) = (*key, *key ^ mask);
        }
        compact
    }
}

impl StreamCipher for Expanded {
    fn mac(&self) -> &MacKey {
        &self.mac
    }

    fn apply_keystream(&self, _level: Level, frame: &Frame<'_>, clear: &[u8], octets: &mut [u8]) {
        self.round_keys.apply(frame.f8_iv(clear), octets);
    }
}

impl StreamCipher for Compact {
    fn mac(&self) -> &MacKey {
        &self.mac
    }

    fn apply_keystream(&self, _level: Level, frame: &Frame<'_>, clear: &[u8], octets: &mut [u8]) {
        Ciphers::new(&self.cipher, &self.masked).apply(frame.f8_iv(clear), octets);
    }
}

impl Ciphers {
    fn new(key: &[u8; BLOCK], masked: &[u8; BLOCK]) -> Self {
        Self { key: RoundKeys::new(key), masked: RoundKeys::new(masked) }
    }

    /// Adds the keystream: each block is made of the one before, the first one and its number.
    fn apply(&self, iv: [u8; BLOCK], octets: &mut [u8]) {
        let first = u128::from_be_bytes(encrypt_block(&self.masked, &iv));
        let mut block = Zeroizing::new([0; BLOCK]);
        for (number, chunk) in (0..).zip(octets.chunks_mut(BLOCK)) {
            let input = first ^ number ^ u128::from_be_bytes(*block);
            *block = encrypt_block(&self.key, &input.to_be_bytes());
            for (to, from) in chunk.iter_mut().zip(block.iter()) {
                *to ^= *from;
            }
        }
    }
}
