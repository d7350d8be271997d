//! The IMS-ALG (TS 23.334, TS 33.328) without its sockets: session descriptions in, commands for
//! the gateway and session descriptions out.
//!
//! This crate knows SDP, offer and answer, and what protection to the access edge (e2ae) does to
//! them. It does not know SIP, gRPC, `ng`, sockets or clocks; randomness is an argument.
//!
//! A request takes two steps. [`Call::plan_offer`] or [`Call::plan_answer`] looks at a
//! description and yields a [`Plan`]: commands for [`agw_context::Gateway`]. When the gateway has
//! carried them out, [`Call::conclude`] takes its replies and yields the description to send on,
//! with the addresses that the gateway has reserved. What is refused, here or there, changes
//! nothing. [`Calls`] keeps the calls and finds them. [`mediasec`] is what a UE and
//! its edge agree on when the UE registers.
//!
//! ```text
//!  offer ─▶ plan_offer ─▶ Reserve near, Reserve far ─▶ conclude ─▶ offer to the answerer
//! answer ─▶ plan_answer ▶ Configure both, topology  ─▶ conclude ─▶ answer to the offerer
//!    BYE ─▶ plan_delete ▶ Release                   ─▶ conclude
//! ```
//!
//! Descriptions hold keys: they come out as octets that wipe themselves, and nothing here prints
//! them.
#![forbid(unsafe_code)]

mod answer;
mod call;
mod calls;
mod decision;
mod description;
mod direction;
mod end;
mod error;
mod exchange;
mod keys;
mod leg;
pub mod mediasec;
mod offer;
mod options;
mod plan;
mod render;
mod reserved;
mod settle;

pub use answer::AnswerRequest;
pub use call::{Call, Dialogue};
pub use calls::Calls;
pub use description::{SdpError, SdpRule, SessionDescription};
pub use error::{AlgError, LineRefusal};
pub use keys::Random;
pub use leg::Side;
pub use offer::OfferRequest;
pub use options::{
    AlgPolicy, MuxRule, OfferedSrtp, OtherMedia, Protection, RtcpAttribute, SideOptions,
};
pub use plan::{Pending, Plan, Signalled, SignalledStream};
