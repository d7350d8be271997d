//! The `ng` control protocol (rtpengine's), as Kamailio and OpenSIPS speak it: datagrams in,
//! typed requests out, and replies back in the form and under the cookie of their request.
//!
//! This crate knows the wire and what each key and flag means for [`agw_sdp`]. It does not know
//! sockets, clocks or the gateway: time is an argument, and whoever owns the calls carries
//! requests out.
//!
//! ```text
//! datagram ─▶ Message::parse ─▶ Cookies::begin ─▶ Request::read ─▶ Options::near, far ─▶ agw_sdp
//!                                    │ again: the same reply              refused: Refusal
//!    reply ◀─ Message::reply ◀─ Cookies::finish ◀──────────── reply::*
//! ```
//!
//! `NG.md` tells what is understood and what is not; a test keeps it equal to [`support`].
//!
//! Session descriptions hold keys: they are octets that wipe themselves, and nothing here prints
//! them.
#![forbid(unsafe_code)]

mod bencode;
mod book;
mod cookies;
mod edit;
mod fingerprint;
mod json;
mod message;
mod options;
mod read;
mod refusal;
pub mod reply;
mod request;
mod rtpp;
mod sides;
pub mod support;
mod value;

pub use book::Book;
pub use cookies::{Begun, CookieKey, CookieLimits, Cookies, Reply};
pub use edit::{Shown, came_through, from_source};
pub use fingerprint::{Fingerprint, Fingerprinter};
pub use message::{Form, Message, WireError, first_of_stream};
pub use options::{E2ae, Learning, Mux, Options, Protected, Replace, Sdes, Transport};
pub use refusal::{Overload, Refusal};
pub use request::{Delete, Query, Request, Signalling};
pub use value::{Octets, Value};

/// The longest datagram or message of a stream that is looked at, in octets.
pub const MAX_MESSAGE: usize = 65_536;
