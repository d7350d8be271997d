//! One mechanism of a `Security-Client`, `Security-Server` or `Security-Verify` header field.

use std::fmt;

/// More than any registration lists: IPsec has a few for each pair of its algorithms, in what the
/// UE offers and in what it was told.
const MAX_MECHANISMS: usize = 64;

/// How many mechanisms a message may still list, in all its fields together.
#[derive(Debug)]
pub(super) struct Room(usize);

/// A security mechanism with its parameters (RFC 3329 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityMechanism {
    name: String,
    /// Names in lower case, values as they stand.
    parameters: Vec<(String, Option<String>)>,
}

/// A mechanism that protects media (parameter `mediasec`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaMechanism {
    /// SRTP with keys in session descriptions, to the access edge.
    SdesSrtp,
    /// SRTP with keys by DTLS.
    DtlsSrtp,
    /// MSRP over TLS.
    MsrpTls,
}

/// Why a header field is no list of mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MechanismError {
    /// A name or parameter is no token, or a quotation does not end.
    #[error("a mechanism is a token with parameters after semicolons (RFC 3329 §2.2)")]
    Syntax,
    /// More mechanisms than anybody has.
    #[error("a message has at most {limit} mechanisms (limit of this library)")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

impl Room {
    /// That of a whole message.
    pub(super) const fn of_message() -> Self {
        Self(MAX_MECHANISMS)
    }

    //= tests/spec/sdp.md#registration
    //# A message that lists more mechanisms than any registration does, in all its fields together,
    //# MUST be refused.
    fn take(&mut self) -> Result<(), MechanismError> {
        let left = self.0.checked_sub(1);
        self.0 = left.ok_or(MechanismError::TooMany { limit: MAX_MECHANISMS })?;
        Ok(())
    }
}

impl MediaMechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SdesSrtp, Self::DtlsSrtp, Self::MsrpTls];

    /// The name in header fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SdesSrtp => "sdes-srtp",
            Self::DtlsSrtp => "dtls-srtp",
            Self::MsrpTls => "msrp-tls",
        }
    }
}

impl SecurityMechanism {
    /// The mechanism as an edge tells it.
    #[must_use]
    pub fn media(mechanism: MediaMechanism) -> Self {
        let parameters = vec![("mediasec".to_owned(), None)];
        Self { name: mechanism.name().to_owned(), parameters }
    }

    /// Reads the value of a header field: mechanisms with commas between them.
    ///
    /// # Errors
    /// [`MechanismError`].
    pub fn parse_list(value: &str) -> Result<Vec<Self>, MechanismError> {
        Self::parse_list_within(value, &mut Room::of_message())
    }

    /// The same, of a message that has listed others before.
    pub(super) fn parse_list_within(
        value: &str,
        room: &mut Room,
    ) -> Result<Vec<Self>, MechanismError> {
        let mut mechanisms = Vec::new();
        for text in split(value, ',')? {
            room.take()?;
            mechanisms.push(Self::parse(text)?);
        }
        Ok(mechanisms)
    }

    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it protects media, not signalling.
    #[must_use]
    pub fn is_media(&self) -> bool {
        self.parameters.iter().any(|(name, _)| name == "mediasec")
    }

    /// The mechanism, if it protects media in a way that is known here.
    #[must_use]
    pub fn as_media(&self) -> Option<MediaMechanism> {
        let known = MediaMechanism::ALL.into_iter().find(|known| known.name() == self.name);
        known.filter(|_| self.is_media())
    }

    fn parse(text: &str) -> Result<Self, MechanismError> {
        let mut parts = split(text, ';')?.into_iter();
        let name = token(parts.next().unwrap_or_default())?;
        let mut parameters = Vec::new();
        for part in parts {
            parameters.push(match part.split_once('=') {
                Some((name, value)) => (token(name)?, Some(value.trim().to_owned())),
                None => (token(part)?, None),
            });
        }
        Ok(Self { name, parameters })
    }
}

impl fmt::Display for SecurityMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.parameters {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}

/// A token in lower case (RFC 3261 §25.1).
fn token(text: &str) -> Result<String, MechanismError> {
    let text = text.trim();
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
    if text.is_empty() || !text.bytes().all(fits) {
        return Err(MechanismError::Syntax);
    }
    Ok(text.to_ascii_lowercase())
}

/// The parts between separators that are not quoted.
fn split(text: &str, separator: char) -> Result<Vec<&str>, MechanismError> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (position, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(from..position).unwrap_or_default());
                from = position + character.len_utf8();
            }
            _ => {}
        }
    }
    if quoted {
        return Err(MechanismError::Syntax);
    }
    parts.push(text.get(from..).unwrap_or_default());
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As linphone-desktop issue 362 and asterisk issue 48 show them, and TS 24.229 clause 7.2A.7.
    #[test]
    fn lists_of_deployed_equipment_read_as_they_print() {
        let lists = [
            "sdes-srtp;mediasec",
            "msrp-tls;mediasec, sdes-srtp;mediasec, dtls-srtp;mediasec",
            "ipsec-3gpp;alg=hmac-sha-1-96;spi-c=98765432;port-c=8642, sdes-srtp;mediasec",
            "digest;d-alg=md5;d-ver=\"0000000000000000000000000000a,;b\"",
        ];
        for list in lists {
            let mechanisms = SecurityMechanism::parse_list(list).unwrap();
            let printed: Vec<String> = mechanisms.iter().map(ToString::to_string).collect();
            assert_eq!(printed.join(", "), list);
        }
        let media = |text| SecurityMechanism::parse_list(text).unwrap()[0].as_media();
        assert_eq!(media("SDES-SRTP ; MediaSec"), Some(MediaMechanism::SdesSrtp));
        assert_eq!(media("sdes-srtp"), None);
        assert_eq!(media("something-new;mediasec"), None);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", ",", "a;", "a;b c", "a;\"", "ä", "a;b=\"c"] {
            assert_eq!(SecurityMechanism::parse_list(text), Err(MechanismError::Syntax), "{text}");
        }
        let many = ["a"; MAX_MECHANISMS + 1].join(",");
        let limit = MAX_MECHANISMS;
        assert_eq!(SecurityMechanism::parse_list(&many), Err(MechanismError::TooMany { limit }));
    }
}
