//! JSON: the same values, with `true` as 1, `false` as 0, `null` as nothing at all.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use zeroize::Zeroizing;

use crate::value::{MAX_DEPTH, Value};

/// Reads one value that takes all of the octets; `None` if it is none.
pub(crate) fn parse(octets: &[u8]) -> Option<Value> {
    let mut reader = serde_json::Deserializer::from_slice(octets);
    let value = Deep(MAX_DEPTH).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    Some(value)
}

/// Writes a value, dictionaries in their order.
pub(crate) fn write(value: &Value, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(out, &Written(value));
    debug_assert!(written.is_ok(), "a vector has room, and every key is a string");
}

/// A value with this much depth left.
struct Deep(usize);

impl<'de> DeserializeSeed<'de> for Deep {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        if self.0 == 0 {
            return Err(D::Error::custom("too deep"));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Deep {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of ng")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Integer(i64::from(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::count(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Octets(Zeroizing::new(text.into_bytes())))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::text(""))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = from.next_element_seed(Deep(self.0 - 1))? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = from.next_key::<String>()? {
            pairs.push((Cow::Owned(key.into_bytes()), from.next_value_seed(Deep(self.0 - 1))?));
        }
        Ok(Value::Dictionary(pairs))
    }
}

/// Octets that are no UTF-8 are written with the sign for what cannot be told.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Integer(number) => to.serialize_i64(*number),
            Value::Octets(octets) => to.serialize_str(&String::from_utf8_lossy(octets)),
            Value::List(values) => {
                let mut list = to.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Written(value))?;
                }
                list.end()
            }
            Value::Dictionary(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(&String::from_utf8_lossy(key), &Written(value))?;
                }
                map.end()
            }
        }
    }
}

/// Where an object ends that may not be there as a whole; what follows is not looked at.
pub(crate) fn end(octets: &[u8]) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, octet) in octets.iter().enumerate() {
        match (in_string, octet) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            (true | false, _) => {}
        }
    }
    None
}
