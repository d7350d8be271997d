//! A datagram: a cookie, a space and a dictionary.

use zeroize::Zeroizing;

use crate::value::{Octets, Value};
use crate::{MAX_MESSAGE, bencode, json};

/// The longest cookie, in octets.
const MAX_COOKIE: usize = 255;

/// How a dictionary is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `d4:name5:valuee`.
    Bencode,
    /// `{"name":"value"}`.
    Json,
}

/// A datagram taken apart.
pub struct Message<'a> {
    /// What its reply repeats.
    pub cookie: &'a [u8],
    /// How its dictionary is written, and that of its reply.
    pub form: Form,
    /// The dictionary as it came, **with its keys**.
    pub octets: &'a [u8],
    /// The dictionary.
    pub body: Value,
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cookie, form, octets: _, body } = self;
        let cookie = cookie.escape_ascii().to_string();
        let mut shown = f.debug_struct("Message");
        shown.field("cookie", &cookie).field("form", form).field("body", body).finish()
    }
}

/// Why octets are no message. What has a cookie can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It is longer than any message.
    #[error("the message is too long")]
    TooLong,
    /// No cookie of 1 to 255 visible ASCII characters with a space after it stands at its start.
    #[error("no cookie stands before the message")]
    NoCookie,
    /// What follows the cookie is no dictionary in either form.
    #[error("the message is no dictionary")]
    NoDictionary,
}

impl<'a> Message<'a> {
    /// Takes a datagram apart.
    ///
    /// # Errors
    /// [`WireError`] if it is none.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, WireError> {
        let (cookie, dictionary) = split(datagram)?;
        // What ends lines in a terminal does no harm.
        let dictionary = dictionary.trim_ascii_end();
        let (form, body) = match dictionary.first() {
            Some(b'd') => (Form::Bencode, bencode::parse(dictionary)),
            Some(b'{') => (Form::Json, json::parse(dictionary)),
            Some(_) | None => return Err(WireError::NoDictionary),
        };
        let body = body.ok_or(WireError::NoDictionary)?;
        Ok(Self { cookie, form, octets: dictionary, body })
    }
}

/// The cookie and what follows it.
///
/// # Errors
/// [`WireError::TooLong`] and [`WireError::NoCookie`].
pub(crate) fn split(datagram: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    if datagram.len() > MAX_MESSAGE {
        return Err(WireError::TooLong);
    }
    let space = datagram.iter().take(MAX_COOKIE + 1).position(|octet| *octet == b' ');
    let (cookie, rest) = space
        .filter(|len| *len > 0)
        .and_then(|len| datagram.split_at_checked(len))
        .ok_or(WireError::NoCookie)?;
    if !cookie.iter().all(u8::is_ascii_graphic) {
        return Err(WireError::NoCookie);
    }
    Ok((cookie, rest.get(1..).unwrap_or_default()))
}

//= tests/spec/ng.md#wire
//# A reply MUST repeat the cookie of its request.
//= tests/spec/ng.md#wire
//# A reply MUST be written in the form of its request, bencode or JSON.
/// Writes a reply.
pub(crate) fn write(cookie: &[u8], form: Form, body: &Value) -> Octets {
    // Exactly enough room: growing would leave copies of keys behind. What JSON escapes is at
    // most six times as long, which few descriptions need.
    let room = cookie.len() + 1 + bencode::len(body) * if form == Form::Json { 2 } else { 1 };
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    out.extend_from_slice(cookie);
    out.push(b' ');
    match form {
        Form::Bencode => bencode::write(body, &mut out),
        Form::Json => json::write(body, &mut out),
    }
    out
}

/// Where the first message of a stream ends: messages follow each other without anything between
/// but white space. `None` if more of it must come.
///
/// # Errors
/// [`WireError`] if no message can come of it: there is no way to go on then.
pub fn first_of_stream(stream: &[u8]) -> Result<Option<usize>, WireError> {
    let blank = stream.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
    let rest = stream.get(blank..).unwrap_or_default();
    let (_cookie, dictionary) = match split(rest) {
        Ok(parts) => parts,
        Err(WireError::NoCookie) if rest.len() <= MAX_COOKIE && !rest.contains(&b' ') => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let end = match dictionary.first() {
        None => None,
        Some(b'd') => bencode::end(dictionary)?,
        Some(b'{') => json::end(dictionary),
        Some(_) => return Err(WireError::NoDictionary),
    };
    Ok(end.map(|end| stream.len() - dictionary.len() + end))
}
