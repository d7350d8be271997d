//! Requests, typed.

use std::time::Duration;

use agw_sdp::Dialogue;

use crate::options::Options;
use crate::read;
use crate::refusal::Refusal;
use crate::support::{self, COMMANDS, Support, is_same};
use crate::value::{Octets, Value};

/// The longest call identifier, in octets.
const MAX_CALL_ID: usize = 512;
/// The longest tag or branch, in octets.
const MAX_TAG: usize = 256;
/// The longest delay of a release.
const MAX_DELAY: Duration = Duration::from_hours(1);

/// What a controller asks for.
#[derive(Debug)]
pub enum Request {
    /// Is somebody there?
    Ping,
    /// An offer passes.
    Offer(Box<Signalling>),
    /// An answer passes.
    Answer(Box<Signalling>),
    /// A call or a branch of it ends.
    Delete(Delete),
    /// How is a call?
    Query(Query),
    /// Which calls are there?
    List {
        /// How many are told at most.
        limit: usize,
    },
    /// How is the gateway?
    Statistics,
}

/// An offer or an answer.
pub struct Signalling {
    /// The call.
    pub call_id: String,
    /// Who sends the request.
    pub from_tag: String,
    /// The other tag, as far as it is known.
    pub to_tag: Option<String>,
    /// What tells the branches of a fork apart.
    pub via_branch: Option<String>,
    /// The session description, **with its keys**.
    pub sdp: Octets,
    /// What is wanted.
    pub options: Options,
}

/// The end of a call or of a branch of it.
#[derive(Debug)]
pub struct Delete {
    /// The call.
    pub call_id: String,
    /// Who ends it; `None` is whoever it is.
    pub from_tag: Option<String>,
    /// The other tag; without it all of the call ends.
    pub to_tag: Option<String>,
    /// The branch that ends.
    pub via_branch: Option<String>,
    /// How long its ports stay.
    pub delay: Duration,
    /// Whether an unknown call is an error.
    pub fatal: bool,
    /// Flags and keys that nobody here knows.
    pub unknown: u32,
}

/// A look at a call.
#[derive(Debug)]
pub struct Query {
    /// The call.
    pub call_id: String,
    /// Only the dialogues with this tag.
    pub from_tag: Option<String>,
    /// Only the dialogues with this tag.
    pub to_tag: Option<String>,
}

impl Request {
    /// Reads a dictionary.
    ///
    /// # Errors
    /// [`Refusal`]: what is missing or wrong, or promises what agw does not do.
    pub fn read(mut body: Value) -> Result<Self, Refusal> {
        let command = text(&body, "command", MAX_TAG)?.ok_or(Refusal::NoCommand)?;
        let item = support::find(COMMANDS, &command);
        match item.map(|item| (item.name, item.support, item.note)) {
            Some(("ping", ..)) => Ok(Self::Ping),
            Some(("offer", ..)) => Ok(Self::Offer(Box::new(Signalling::read(&mut body)?))),
            Some(("answer", ..)) => {
                let answer = Signalling::read(&mut body)?;
                if answer.to_tag.is_none() {
                    return Err(Refusal::Missing { key: "to-tag" });
                }
                Ok(Self::Answer(Box::new(answer)))
            }
            Some(("delete", ..)) => Ok(Self::Delete(Delete::read(&body)?)),
            Some(("query", ..)) => Ok(Self::Query(Query {
                call_id: call_id(&body)?,
                from_tag: text(&body, "from-tag", MAX_TAG)?,
                to_tag: text(&body, "to-tag", MAX_TAG)?,
            })),
            Some(("list", ..)) => Ok(Self::List { limit: number(&body, "limit", 32)? }),
            Some(("statistics", ..)) => Ok(Self::Statistics),
            Some((name, Support::Refused, why)) => {
                Err(Refusal::Unsupported { what: name.to_owned(), why })
            }
            Some(_) | None => {
                let command = command.chars().filter(|one| !one.is_control()).take(64).collect();
                Err(Refusal::UnknownCommand { command })
            }
        }
    }

    /// The request's name in metrics and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Offer(_) => "offer",
            Self::Answer(_) => "answer",
            Self::Delete(_) => "delete",
            Self::Query(_) => "query",
            Self::List { .. } => "list",
            Self::Statistics => "statistics",
        }
    }
}

impl Signalling {
    fn read(body: &mut Value) -> Result<Self, Refusal> {
        let call_id = call_id(body)?;
        let from_tag =
            text(body, "from-tag", MAX_TAG)?.ok_or(Refusal::Missing { key: "from-tag" })?;
        let to_tag = text(body, "to-tag", MAX_TAG)?.filter(|tag| !tag.is_empty());
        let via_branch = text(body, "via-branch", MAX_TAG)?.filter(|branch| !branch.is_empty());
        let options = read::options(body)?;
        let sdp = find_mut(body, "sdp").ok_or(Refusal::Missing { key: "sdp" })?;
        let Value::Octets(sdp) = sdp else {
            return Err(Refusal::Invalid { key: "sdp", rule: "a string" });
        };
        Ok(Self { call_id, from_tag, to_tag, via_branch, sdp: std::mem::take(sdp), options })
    }

    /// The dialogue, for the calls.
    #[must_use]
    pub fn dialogue(&self) -> Dialogue<'_> {
        Dialogue {
            from_tag: &self.from_tag,
            to_tag: self.to_tag.as_deref(),
            via_branch: self.via_branch.as_deref(),
        }
    }
}

impl std::fmt::Debug for Signalling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signalling")
            .field("call_id", &self.call_id)
            .field("from_tag", &self.from_tag)
            .field("to_tag", &self.to_tag)
            .field("via_branch", &self.via_branch)
            .field("sdp", &format_args!("redacted, {} octets", self.sdp.len()))
            .field("options", &self.options)
            .finish()
    }
}

impl Delete {
    fn read(body: &Value) -> Result<Self, Refusal> {
        let options = read::options(body)?;
        let seconds = number(body, "delete-delay", 0)?;
        let delay = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
        Ok(Self {
            call_id: call_id(body)?,
            from_tag: text(body, "from-tag", MAX_TAG)?.filter(|tag| !tag.is_empty()),
            to_tag: text(body, "to-tag", MAX_TAG)?.filter(|tag| !tag.is_empty()),
            via_branch: text(body, "via-branch", MAX_TAG)?.filter(|branch| !branch.is_empty()),
            delay: delay.min(MAX_DELAY),
            fatal: options.fatal,
            unknown: options.unknown,
        })
    }
}

fn call_id(body: &Value) -> Result<String, Refusal> {
    let call_id = text(body, "call-id", MAX_CALL_ID)?.filter(|id| !id.is_empty());
    call_id.ok_or(Refusal::Missing { key: "call-id" })
}

/// The first value under a key in any of its spellings.
fn find<'a>(body: &'a Value, key: &str) -> Option<&'a Value> {
    let Value::Dictionary(pairs) = body else { return None };
    let is_it = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| is_same(name, key));
    pairs.iter().find(|(name, _)| is_it(name)).map(|(_, value)| value)
}

fn find_mut<'a>(body: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    let Value::Dictionary(pairs) = body else { return None };
    let is_it = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| is_same(name, key));
    pairs.iter_mut().find(|(name, _)| is_it(name)).map(|(_, value)| value)
}

fn text(body: &Value, key: &'static str, most: usize) -> Result<Option<String>, Refusal> {
    let Some(value) = find(body, key) else { return Ok(None) };
    let text = value.as_text().ok_or(Refusal::Invalid { key, rule: "a string in UTF-8" })?;
    if text.len() > most {
        return Err(Refusal::Invalid { key, rule: "too long" });
    }
    Ok(Some(text.to_owned()))
}

fn number(body: &Value, key: &'static str, otherwise: usize) -> Result<usize, Refusal> {
    let Some(value) = find(body, key) else { return Ok(otherwise) };
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    number.ok_or(Refusal::Invalid { key, rule: "a number" })
}
