//! Bencode, as tolerant as its speakers: dictionaries in any order, keys repeated.
//!
//! Written here because `bt_bencode`, the one kept library, adds a claimed length to its position
//! unchecked: `d18446744073709551615:` makes it panic, and lists in lists overflow its stack. It
//! is the tests' second opinion.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::MAX_MESSAGE;
use crate::message::WireError;
use crate::value::{Key, MAX_DEPTH, Octets, Value};

/// Reads one value that takes all of the octets; `None` if it is none.
pub(crate) fn parse(octets: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: octets };
    let value = reader.value(MAX_DEPTH)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        match *self.rest.first()? {
            b'0'..=b'9' => Some(Value::Octets(self.string()?)),
            b'i' => {
                self.rest = self.rest.get(1..)?;
                let digits = self.until(b'e')?;
                Some(Value::Integer(std::str::from_utf8(digits).ok()?.parse().ok()?))
            }
            b'l' => {
                self.rest = self.rest.get(1..)?;
                let mut values = Vec::new();
                while !self.ended()? {
                    values.push(self.value(depth)?);
                }
                Some(Value::List(values))
            }
            //= tests/spec/ng.md#wire
            //# A dictionary MUST be read in any order of its keys.
            b'd' => {
                self.rest = self.rest.get(1..)?;
                let mut pairs = Vec::new();
                while !self.ended()? {
                    let key = Cow::Owned(self.octets()?.to_vec());
                    pairs.push((key, self.value(depth)?));
                }
                Some(Value::Dictionary(pairs))
            }
            _ => None,
        }
    }

    /// Whether a list or dictionary ends here; its end is taken.
    fn ended(&mut self) -> Option<bool> {
        let is_end = *self.rest.first()? == b'e';
        if is_end {
            self.rest = self.rest.get(1..)?;
        }
        Some(is_end)
    }

    fn string(&mut self) -> Option<Octets> {
        self.octets().map(|octets| Zeroizing::new(octets.to_vec()))
    }

    fn octets(&mut self) -> Option<&[u8]> {
        let digits = self.until(b':')?;
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let len: usize = is_number.then(|| std::str::from_utf8(digits).ok()?.parse().ok())??;
        let (octets, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(octets)
    }

    /// What stands before a delimiter, which is taken as well; numbers have at most 20 digits.
    fn until(&mut self, delimiter: u8) -> Option<&[u8]> {
        let at = self.rest.iter().take(21).position(|octet| *octet == delimiter)?;
        let (before, rest) = self.rest.split_at_checked(at)?;
        self.rest = rest.get(1..)?;
        Some(before)
    }
}

/// How many octets a value takes, so that none is copied in growing.
pub(crate) fn len(value: &Value) -> usize {
    let string = |octets: &[u8]| octets.len() + 21;
    match value {
        Value::Integer(_) => 22,
        Value::Octets(octets) => string(octets),
        Value::List(values) => 2 + values.iter().map(len).sum::<usize>(),
        Value::Dictionary(pairs) => {
            2 + pairs.iter().map(|(key, value)| string(key) + len(value)).sum::<usize>()
        }
    }
}

/// Writes a value, dictionaries in the order of their keys.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => {
            out.push(b'i');
            if *number < 0 {
                out.push(b'-');
            }
            decimal(number.unsigned_abs(), out);
            out.push(b'e');
        }
        Value::Octets(octets) => string(octets, out),
        Value::List(values) => {
            out.push(b'l');
            values.iter().for_each(|value| write(value, out));
            out.push(b'e');
        }
        Value::Dictionary(pairs) => {
            out.push(b'd');
            // Replies have their keys in order already, but for few.
            if pairs.is_sorted_by(|a, b| a.0 <= b.0) {
                pairs.iter().for_each(|pair| entry(pair, out));
            } else {
                let mut pairs: Vec<_> = pairs.iter().collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                pairs.into_iter().for_each(|pair| entry(pair, out));
            }
            out.push(b'e');
        }
    }
}

fn entry((key, value): &(Key, Value), out: &mut Vec<u8>) {
    string(key, out);
    write(value, out);
}

/// A number in decimal digits.
fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first = at;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

fn string(octets: &[u8], out: &mut Vec<u8>) {
    decimal(octets.len() as u64, out);
    out.push(b':');
    out.extend_from_slice(octets);
}

/// Where a dictionary ends that may not be there as a whole; what follows is not looked at.
pub(crate) fn end(octets: &[u8]) -> Result<Option<usize>, WireError> {
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        match octets.get(at) {
            None => return Ok(None),
            Some(b'd' | b'l') => (depth, at) = (depth + 1, at + 1),
            Some(b'e') => {
                (depth, at) = (depth.checked_sub(1).ok_or(WireError::NoDictionary)?, at + 1);
            }
            Some(delimiter @ (b'i' | b'0'..=b'9')) => {
                let is_number = *delimiter == b'i';
                let rest = octets.get(at..).unwrap_or_default();
                let stop = if is_number { b'e' } else { b':' };
                let Some(len) = rest.iter().take(22).position(|octet| *octet == stop) else {
                    return if rest.len() < 22 { Ok(None) } else { Err(WireError::NoDictionary) };
                };
                let digits = std::str::from_utf8(rest.get(..len).unwrap_or_default());
                let string = digits.ok().filter(|_| !is_number).and_then(|text| text.parse().ok());
                let skip: usize = match (is_number, string) {
                    (true, _) => 0,
                    (false, Some(skip)) if skip <= MAX_MESSAGE => skip,
                    (false, Some(_)) => return Err(WireError::TooLong),
                    (false, None) => return Err(WireError::NoDictionary),
                };
                at += len + 1 + skip;
            }
            Some(_) => return Err(WireError::NoDictionary),
        }
        if depth == 0 {
            return Ok(Some(at));
        }
    }
}
