//! What the face itself remembers of calls: labels, and what stays in `o=` and `s=`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use zeroize::Zeroizing;

use crate::options::{Options, Replace};
use crate::value::Octets;

/// The most parties of one call that are remembered.
const MAX_PARTIES: usize = 32;

/// What is remembered of calls, for those who asked for it: nothing for all others.
#[derive(Debug)]
pub struct Book {
    seed: u64,
    limit: usize,
    calls: BTreeMap<String, Vec<Party>>,
}

/// A party of a call, by its tag.
#[derive(Debug)]
struct Party {
    tag: String,
    label: Option<String>,
    origin: Option<Origin>,
}

/// What the descriptions of a party are shown with.
#[derive(Debug)]
struct Origin {
    username: String,
    session_name: Option<String>,
    version: u64,
    /// What was shown last, in a sum under a number of this process.
    sum: u64,
}

impl Book {
    /// Nothing yet, of at most `limit` calls ever. The seed is a random number, so that sums of
    /// descriptions tell nothing.
    #[must_use]
    pub const fn new(seed: u64, limit: usize) -> Self {
        Self { seed, limit, calls: BTreeMap::new() }
    }

    /// Notes what a request says of its sender, and replaces in the sender's description what is
    /// to be replaced.
    #[must_use]
    pub fn pass(&mut self, call_id: &str, tag: &str, options: &Options, sdp: Octets) -> Octets {
        let Replace { version, force_version, username, session_name, zero_address: _ } =
            options.replace;
        let is_replaced = version || force_version || username || session_name;
        if !is_replaced && options.label.is_none() {
            return sdp;
        }
        let sum = self.sum(&sdp);
        let Some(party) = self.party(call_id, tag) else { return sdp };
        if options.label.is_some() {
            party.label.clone_from(&options.label);
        }
        if !is_replaced {
            return sdp;
        }
        let Some(said) = Said::of(&sdp) else { return sdp };
        let origin = party.origin.get_or_insert_with(|| Origin {
            username: said.username.to_owned(),
            session_name: said.session_name.map(str::to_owned),
            version: said.version.unwrap_or_default(),
            sum,
        });
        if force_version || origin.sum != sum {
            origin.version = origin.version.wrapping_add(1);
            origin.sum = sum;
        }
        origin.write(&sdp, options.replace)
    }

    /// The label of a party.
    #[must_use]
    pub fn label(&self, call_id: &str, tag: &str) -> Option<&str> {
        let parties = self.calls.get(call_id)?;
        parties.iter().find(|party| party.tag == tag)?.label.as_deref()
    }

    /// Forgets a call.
    pub fn forget(&mut self, call_id: &str) {
        self.calls.remove(call_id);
    }

    /// How many calls are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Keeps what is said of calls that are there, and forgets all others.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) {
        self.calls.retain(|call_id, _| is_there(call_id));
    }

    fn party(&mut self, call_id: &str, tag: &str) -> Option<&mut Party> {
        if !self.calls.contains_key(call_id) && self.calls.len() >= self.limit {
            return None;
        }
        let parties = self.calls.entry(call_id.to_owned()).or_default();
        let place = parties.iter().position(|party| party.tag == tag);
        let place = match place {
            Some(place) => place,
            None if parties.len() >= MAX_PARTIES => return None,
            None => {
                parties.push(Party { tag: tag.to_owned(), label: None, origin: None });
                parties.len() - 1
            }
        };
        parties.get_mut(place)
    }

    /// All of a description but for its `o=`.
    fn sum(&self, sdp: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        for line in sdp.split(|octet| *octet == b'\n').filter(|line| !line.starts_with(b"o=")) {
            hasher.write(line);
        }
        hasher.finish()
    }
}

/// What a description says of its origin.
struct Said<'a> {
    username: &'a str,
    version: Option<u64>,
    session_name: Option<&'a str>,
}

impl<'a> Said<'a> {
    fn of(sdp: &'a [u8]) -> Option<Self> {
        let value = |kind: &[u8]| {
            let mut lines = sdp.split(|octet| *octet == b'\n');
            let line = lines.find_map(|line| line.strip_prefix(kind))?;
            std::str::from_utf8(line.trim_ascii_end()).ok()
        };
        let mut fields = value(b"o=")?.split_ascii_whitespace();
        let username = fields.next()?;
        let version = fields.nth(1)?.parse().ok();
        Some(Self { username, version, session_name: value(b"s=") })
    }
}

impl Origin {
    fn write(&self, sdp: &[u8], replace: Replace) -> Octets {
        let name = self.session_name.as_ref().map_or(0, String::len);
        let room = sdp.len() + self.username.len() + name + 32;
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        for line in sdp.split_inclusive(|octet| *octet == b'\n') {
            match self.line(line, replace) {
                Some(text) => out.extend_from_slice(text.as_bytes()),
                None => out.extend_from_slice(line),
            }
        }
        out
    }

    /// A line that is replaced.
    fn line(&self, line: &[u8], replace: Replace) -> Option<String> {
        let text = std::str::from_utf8(line).ok()?.trim_end();
        if let Some(value) = text.strip_prefix("o=") {
            let fields: Vec<&str> = value.split_ascii_whitespace().collect();
            let [username, session, version, kind @ ..] = fields.as_slice() else { return None };
            let username = if replace.username { self.username.as_str() } else { username };
            let own = self.version.to_string();
            let is_own = replace.version || replace.force_version;
            let version = if is_own { own.as_str() } else { version };
            return Some(format!("o={username} {session} {version} {}\r\n", kind.join(" ")));
        }
        let name = self.session_name.as_ref().filter(|_| replace.session_name)?;
        text.starts_with("s=").then(|| format!("s={name}\r\n"))
    }
}
