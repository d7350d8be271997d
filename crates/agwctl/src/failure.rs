//! What went wrong, in one line, and the exit code that says who must act.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use agw_iq::client::{CallError, ConnectError};
use tonic::Code;

/// How the tool ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The gateway refused: change the request.
    Refused,
    /// The command line or a file is wrong.
    Usage,
    /// No gateway there, or no answer in time.
    Unreachable,
    /// No such context.
    NotFound,
    /// The gateway is full, draining or stopping: try another one.
    Elsewhere,
    /// The events asked for are not kept any more.
    EventsGone,
    /// This machine refused something.
    Local,
    /// The lists that were compared differ.
    Differs,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::NotFound => 4,
            Self::Elsewhere => 5,
            Self::EventsGone => 6,
            Self::Local => 7,
            Self::Differs => 8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Usage(String),
    Connect(ConnectError),
    Call(Box<CallError>),
    Unknown(&'static str),
    Timeout,
    Local(io::Error),
    Differs,
}

impl Failure {
    /// A value of the command line or of a file breaks a rule.
    pub(crate) fn usage(what: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { what: what.into(), cause: Cause::Usage(rule.into()) }
    }

    /// The lists that were compared differ; the answer has how.
    pub(crate) fn differs() -> Self {
        Self { what: "contexts diff".to_owned(), cause: Cause::Differs }
    }

    /// There is no connection.
    pub(crate) fn connect(error: ConnectError) -> Self {
        Self { what: "connecting".to_owned(), cause: Cause::Connect(error) }
    }

    /// The gateway refused, or its answer got lost.
    pub(crate) fn call(what: &str, error: CallError) -> Self {
        Self { what: what.to_owned(), cause: Cause::Call(Box::new(error)) }
    }

    /// The gateway has nothing by this name.
    pub(crate) fn unknown(what: &str, rule: &'static str) -> Self {
        Self { what: what.to_owned(), cause: Cause::Unknown(rule) }
    }

    /// There was no answer in time.
    pub(crate) fn timeout(what: &str) -> Self {
        Self { what: what.to_owned(), cause: Cause::Timeout }
    }

    /// This machine refused something.
    pub(crate) fn local(what: impl Into<String>, error: &io::Error) -> Self {
        let error = io::Error::new(error.kind(), error.to_string());
        Self { what: what.into(), cause: Cause::Local(error) }
    }

    /// Whether nobody reads the output any more, as in `agwctl … | head`.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(&self.cause, Cause::Local(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match &self.cause {
            Cause::Usage(_)
            | Cause::Connect(
                ConnectError::Address { .. } | ConnectError::Tls { .. } | ConnectError::Identity(_),
            ) => Exit::Usage,
            Cause::Connect(ConnectError::Connect { .. }) | Cause::Timeout => Exit::Unreachable,
            Cause::Call(error) => call_exit(error),
            Cause::Unknown(_) => Exit::NotFound,
            Cause::Local(_) => Exit::Local,
            Cause::Differs => Exit::Differs,
        }
    }
}

fn call_exit(error: &CallError) -> Exit {
    // A gateway gives a reason with whatever it refuses.
    if error.reason.is_none() {
        return Exit::Unreachable;
    }
    if error.code == Code::NotFound {
        Exit::NotFound
    } else if [Code::ResourceExhausted, Code::Unavailable].contains(&error.code) {
        Exit::Elsewhere
    } else if error.code == Code::OutOfRange {
        Exit::EventsGone
    } else {
        Exit::Refused
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, cause } = self;
        write!(f, "{what}: ")?;
        match cause {
            Cause::Usage(rule) => f.write_str(rule),
            Cause::Unknown(rule) => f.write_str(rule),
            Cause::Connect(error) => {
                write!(f, "{error}")?;
                write_innermost(error, f)
            }
            Cause::Call(error) => write_call(error, f),
            Cause::Timeout => f.write_str("no answer in time"),
            Cause::Local(error) => write!(f, "{error}"),
            Cause::Differs => f.write_str("the gateway and the list differ"),
        }
    }
}

/// The field and the rule in the gateway's words, then the codes.
fn write_call(error: &CallError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let CallError { code, message, reason, h248_code, oldest_sequence, .. } = error;
    let message = message.lines().next().unwrap_or_default();
    if error.is_of_connection() {
        return write!(f, "the connection broke ({message}); the gateway's log may say why");
    }
    write!(f, "{}", in_terms_of_the_call(message))?;
    if let Some(oldest) = oldest_sequence {
        write!(f, ", go on with --after {}", oldest.saturating_sub(1))?;
    }
    match (reason, h248_code) {
        (Some(reason), Some(h248)) => write!(f, " [{reason}, H.248 {h248}]"),
        (Some(reason), None) => write!(f, " [{reason}]"),
        (None, _) => write!(f, " [{}]", code.description()),
    }
}

/// `call add` reserves the access leg first and the core leg second, with one stream each.
fn in_terms_of_the_call(message: &str) -> String {
    [("commands[0].reserve", "access leg"), ("commands[1].reserve", "core leg")]
        .into_iter()
        .fold(message.to_owned(), |message, (command, leg)| message.replace(command, leg))
        .replace(" leg.streams[0].", " leg: ")
        .replace(" leg: streams[0].", " leg: ")
}

/// What the operating system or TLS said, which the errors around it leave out.
fn write_innermost(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut innermost = None;
    let mut next = error.source();
    while let Some(error) = next {
        innermost = Some(error);
        next = error.source();
    }
    match innermost {
        Some(error) => write!(f, ": {error}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: Code, reason: Option<&str>) -> CallError {
        CallError {
            code,
            message: "commands[1].reserve: realm \"x\" is not configured".to_owned(),
            reason: reason.map(str::to_owned),
            h248_code: reason.map(|_| 449),
            command: Some(1),
            field: Some("commands[1].reserve.realm".to_owned()),
            overload_percent: Some(0),
            limit: None,
            oldest_sequence: None,
            sip_status: None,
        }
    }

    #[test]
    fn a_refusal_is_one_line_with_field_rule_reason_and_code() {
        let failure =
            Failure::call("call add", refused(Code::InvalidArgument, Some("UNKNOWN_REALM")));
        assert_eq!(
            failure.to_string(),
            "call add: core leg: realm \"x\" is not configured [UNKNOWN_REALM, H.248 449]"
        );
    }

    #[test]
    fn a_field_of_the_call_is_named_without_the_transaction_around_it() {
        for message in [
            "commands[0].reserve.streams[0].ingress_crypto.sdes_line: bad",
            "commands[0].reserve: streams[0].ingress_crypto.sdes_line: bad",
        ] {
            let expected = "access leg: ingress_crypto.sdes_line: bad";
            assert_eq!(in_terms_of_the_call(message), expected);
        }
    }

    #[test]
    fn the_exit_code_says_who_must_act() {
        let table = [
            (Code::InvalidArgument, Some("FIELD_VALUE"), 1),
            (Code::FailedPrecondition, Some("SUITE_REFUSED"), 1),
            (Code::NotFound, Some("UNKNOWN_CONTEXT"), 4),
            (Code::ResourceExhausted, Some("EXHAUSTED"), 5),
            (Code::Unavailable, Some("DRAINING"), 5),
            (Code::OutOfRange, Some("EVENTS_GONE"), 6),
            (Code::Unavailable, None, 3),
            (Code::DeadlineExceeded, None, 3),
            (Code::Unimplemented, None, 3),
        ];
        for (code, reason, exit) in table {
            let failure = Failure::call("x", refused(code, reason));
            assert_eq!(failure.exit().code(), exit, "{code:?} {reason:?}");
        }
        assert_eq!(Failure::usage("x", "y").exit().code(), 2);
        assert_eq!(Failure::timeout("x").exit().code(), 3);
    }

    #[test]
    fn events_that_are_gone_come_with_where_to_go_on() {
        let error = CallError {
            message: "events before number 40 are gone".to_owned(),
            h248_code: None,
            oldest_sequence: Some(40),
            ..refused(Code::OutOfRange, Some("EVENTS_GONE"))
        };
        assert_eq!(
            Failure::call("events", error).to_string(),
            "events: events before number 40 are gone, go on with --after 39 [EVENTS_GONE]"
        );
    }
}
