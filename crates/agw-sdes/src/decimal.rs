//! Decimal text of lifetimes and master key identifiers.

use agw_srtp::Mki;

use crate::Mode;
use crate::error::Rule;

/// The longest MKI of RFC 4568 §6.1, in octets.
const MAX_MKI_OCTETS: usize = 128;

//= tests/spec/sdes.md#mki
//# An MKI MUST be read as a decimal integer of any size that fits its length.
/// Reads `value:length`: a decimal number of any size, big-endian in `length` octets (§6.1).
pub(crate) fn parse_mki(text: &str, mode: Mode) -> Result<Mki, Rule> {
    let Some((value, length)) = text.split_once(':') else {
        return Err(Rule::MkiForm);
    };
    let length = match number(length) {
        //= tests/spec/sdes.md#mki
        //# The length of an MKI MUST be 1 to 128 octets.
        Some(length @ 1..=128) => usize::try_from(length).map_err(|_| Rule::MkiLength)?,
        Some(_) | None => return Err(Rule::MkiLength),
    };
    let zero_allowed = mode == Mode::Tolerant && value == "0";
    if !is_positive(value) && !zero_allowed {
        return Err(Rule::MkiForm);
    }
    let mut octets = [0_u8; MAX_MKI_OCTETS];
    let octets = octets.get_mut(..length).ok_or(Rule::MkiLength)?;
    for digit in value.bytes() {
        // Without leading zeros the value outgrows 128 octets after 309 digits: this is bounded.
        //= tests/spec/sdes.md#mki
        //# A value that does not fit the length MUST make the line invalid.
        if push_digit(octets, digit - b'0') != 0 {
            return Err(Rule::MkiTooWide);
        }
    }
    Mki::new(octets).map_err(|_| Rule::MkiLength)
}

/// Writes `value:length`.
pub(crate) fn print_mki(mki: &Mki) -> String {
    let mut octets = [0_u8; MAX_MKI_OCTETS];
    let length = mki.as_slice().len();
    for (to, from) in octets.iter_mut().zip(mki.as_slice()) {
        *to = *from;
    }
    let octets = octets.get_mut(..length).unwrap_or_default();
    let mut reversed = Vec::new();
    while octets.iter().any(|octet| *octet != 0) {
        reversed.push(b'0' + pop_digit(octets));
    }
    if reversed.is_empty() {
        reversed.push(b'0');
    }
    let value: String = reversed.iter().rev().copied().map(char::from).collect();
    format!("{value}:{length}")
}

//= tests/spec/sdes.md#lifetime
//# A lifetime MUST be accepted as a decimal number and as a power of two.
/// Reads a lifetime in packets: a positive number or a power of two (§6.1).
pub(crate) fn parse_lifetime(text: &str) -> Result<u64, Rule> {
    let Some(exponent) = text.strip_prefix("2^") else {
        if !is_positive(text) {
            return Err(Rule::LifetimeForm);
        }
        // A number beyond 64 bits is well-formed; the suite's maximum refuses it.
        return Ok(text.parse().unwrap_or(u64::MAX));
    };
    if !is_positive(exponent) && exponent != "0" {
        return Err(Rule::LifetimeForm);
    }
    let exponent = exponent.parse().unwrap_or(u32::MAX);
    Ok(1_u64.checked_shl(exponent).unwrap_or(u64::MAX))
}

/// Writes a lifetime, powers of two as such.
pub(crate) fn print_lifetime(packets: u64) -> String {
    if packets > 1 && packets.is_power_of_two() {
        return format!("2^{}", packets.trailing_zeros());
    }
    packets.to_string()
}

/// A decimal number of one to nine digits without leading zeros.
pub(crate) fn number(text: &str) -> Option<u32> {
    let well_formed = text == "0" || is_positive(text);
    if !well_formed || text.len() > 9 {
        return None;
    }
    text.parse().ok()
}

/// Whether the text is all digits, the first not zero.
pub(crate) fn is_positive(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit())
}

/// Big-endian number × 10 + digit, in place; the return value is what did not fit.
fn push_digit(octets: &mut [u8], digit: u8) -> u8 {
    let mut carry = digit;
    for octet in octets.iter_mut().rev() {
        let [high, low] = (u16::from(*octet) * 10 + u16::from(carry)).to_be_bytes();
        *octet = low;
        carry = high;
    }
    carry
}

/// Big-endian number ÷ 10, in place; the return value is the remainder, 0 to 9.
fn pop_digit(octets: &mut [u8]) -> u8 {
    let mut remainder = 0_u8;
    for octet in octets.iter_mut() {
        let dividend = u16::from_be_bytes([remainder, *octet]);
        // remainder < 10, so dividend < 2560: quotient < 256 and both fit an octet.
        let [_, quotient] = (dividend / 10).to_be_bytes();
        let [_, rest] = (dividend % 10).to_be_bytes();
        *octet = quotient;
        remainder = rest;
    }
    remainder
}
