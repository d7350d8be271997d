//! A transaction as it comes, with commands that nobody has read: what refusing it costs is to
//! find, for each command, the few fields that the gate asks for.

use std::fmt;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use zeroize::Zeroize;

use crate::wipe::Wipe;

/// `agw.iq.v1.TransactRequest` or `TransactStreamRequest`, which have the same fields, as the
/// server takes them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(skip_debug)]
pub struct UnreadTransaction {
    /// The transaction id.
    #[prost(string, tag = "1")]
    pub transaction_id: String,
    /// `agw.iq.v1.Command`s, encoded.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub commands: Vec<Vec<u8>>,
}

impl fmt::Debug for UnreadTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreadTransaction")
            .field("transaction_id", &self.transaction_id)
            .field("commands", &self.commands.len())
            .finish()
    }
}

impl Wipe for UnreadTransaction {
    fn wipe(&mut self) {
        self.commands.iter_mut().for_each(Vec::zeroize);
    }
}

/// What the gate asks of a `Reserve`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Glance<'a> {
    pub(crate) context_id: u32,
    pub(crate) latest_context: bool,
    pub(crate) realm: &'a str,
    pub(crate) priority: i32,
}

/// Fields of `agw.iq.v1.Command` and `Reserve`.
const RESERVE: u32 = 1;
const CONTEXT_ID: u32 = 1;
const LATEST_CONTEXT: u32 = 2;
const REALM: u32 = 4;
const PRIORITY: u32 = 8;

/// The `Reserve` of an encoded `Command`, as far as the gate asks; `None` if it is another command
/// or cannot be read, which whoever reads it will say.
pub(crate) fn glance(mut command: &[u8]) -> Option<Glance<'_>> {
    let mut seen = None;
    while !command.is_empty() {
        let (field, wire_type) = decode_key(&mut command).ok()?;
        match (field, wire_type) {
            (RESERVE, WireType::LengthDelimited) => {
                let reserve = delimited(&mut command)?;
                // Of several commands in one the last counts, and parts of one add up.
                glance_into(seen.get_or_insert_default(), reserve)?;
            }
            (_, WireType::LengthDelimited) => {
                let _ = delimited(&mut command)?;
                seen = None;
            }
            (_, _) => skip_field(wire_type, field, &mut command, DecodeContext::default()).ok()?,
        }
    }
    seen
}

fn glance_into<'a>(seen: &mut Glance<'a>, mut reserve: &'a [u8]) -> Option<()> {
    while !reserve.is_empty() {
        let (field, wire_type) = decode_key(&mut reserve).ok()?;
        match (field, wire_type) {
            // Truncated as prost does.
            (CONTEXT_ID, WireType::Varint) => {
                seen.context_id = decode_varint(&mut reserve).ok()? as u32;
            }
            (LATEST_CONTEXT, WireType::Varint) => {
                seen.latest_context = decode_varint(&mut reserve).ok()? != 0;
            }
            (REALM, WireType::LengthDelimited) => {
                seen.realm = std::str::from_utf8(delimited(&mut reserve)?).ok()?;
            }
            (PRIORITY, WireType::Varint) => {
                seen.priority = decode_varint(&mut reserve).ok()? as i32;
            }
            (_, WireType::LengthDelimited) => drop(delimited(&mut reserve)?),
            (_, _) => skip_field(wire_type, field, &mut reserve, DecodeContext::default()).ok()?,
        }
    }
    Some(())
}

/// Splits a field's content off.
fn delimited<'a>(octets: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(octets).ok()?).ok()?;
    let (content, rest) = octets.split_at_checked(length)?;
    *octets = rest;
    Some(content)
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::pb;
    use crate::pb::command::Command as Kind;

    fn encoded(kind: Kind) -> Vec<u8> {
        pb::Command { command: Some(kind) }.encode_to_vec()
    }

    fn reserve() -> pb::Reserve {
        pb::Reserve {
            context_id: 300,
            latest_context: true,
            correlation_id: "call".to_owned(),
            realm: "core".to_owned(),
            heartbeat_ms: 5_000,
            streams: vec![pb::Stream { stream_id: 1, ..pb::Stream::default() }],
            priority: pb::Priority::Emergency.into(),
            ..pb::Reserve::default()
        }
    }

    #[test]
    fn a_glance_sees_what_reading_would() {
        let seen = Glance { context_id: 300, latest_context: true, realm: "core", priority: 3 };
        assert_eq!(glance(&encoded(Kind::Reserve(reserve()))), Some(seen));
        let nothing = encoded(Kind::Reserve(pb::Reserve::default()));
        assert_eq!(glance(&nothing), Some(Glance::default()));
        let odd = pb::Reserve { priority: -1, ..pb::Reserve::default() };
        let odd = encoded(Kind::Reserve(odd));
        assert_eq!(glance(&odd).map(|seen| seen.priority), Some(-1));
    }

    #[test]
    fn other_commands_and_what_cannot_be_read_are_left_to_who_reads() {
        let release = encoded(Kind::Release(pb::Release {
            context_id: 7,
            termination_id: 1,
            ..Default::default()
        }));
        assert_eq!(glance(&release), None);
        assert_eq!(glance(&[]), None);
        let whole = encoded(Kind::Reserve(reserve()));
        for octets in 1..whole.len() {
            let part = &whole[..octets];
            assert_eq!(glance(part), None, "{octets}");
            assert!(pb::Command::decode(part).is_err(), "{octets}");
        }
        let mut both = whole.clone();
        both.extend(&release);
        assert_eq!(glance(&both), None, "the last of two commands counts");
    }

    #[test]
    fn commands_pass_by_octet_and_are_never_printed() {
        let command = encoded(Kind::Reserve(reserve()));
        let typed = pb::TransactRequest {
            transaction_id: "t-1".to_owned(),
            commands: vec![pb::Command { command: Some(Kind::Reserve(reserve())) }],
        };
        let mut unread = UnreadTransaction::decode(typed.encode_to_vec().as_slice()).unwrap();
        assert_eq!((unread.transaction_id.as_str(), &unread.commands), ("t-1", &vec![command]));
        assert_eq!(
            format!("{unread:?}"),
            r#"UnreadTransaction { transaction_id: "t-1", commands: 1 }"#
        );
        unread.wipe();
        assert_eq!(unread.commands, [Vec::<u8>::new()]);
    }
}
