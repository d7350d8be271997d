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
//! ```
//! use agw_sdp::{AlgPolicy, Call, Dialogue, OfferRequest, SideOptions};
//!
//! let offer = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
//!     m=audio 4000 RTP/SAVP 8\r\na=3ge2ae:requested\r\n\
//!     a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ\r\n";
//! let request = OfferRequest {
//!     dialogue: Dialogue { from_tag: "ue", to_tag: None, via_branch: None },
//!     sdp: offer,
//!     near: &SideOptions::access(Some("access".to_owned())),
//!     far: &SideOptions::core(Some("core".to_owned())),
//!     rekey: false,
//!     supersedes: false,
//!     drops: None,
//! };
//! let call = Call::new("call-1");
//! let plan = call.plan_offer(&request, &AlgPolicy::default(), &mut |octets| octets.fill(7))?;
//! let (commands, _pending) = plan.into_parts();
//! assert_eq!(commands.len(), 2); // Both sides are reserved; `Call::conclude` takes the replies.
//! # Ok::<(), agw_sdp::AlgError>(())
//! ```
//!
//! Descriptions hold keys: they come out as octets that wipe themselves, and nothing here prints
//! them.
#![forbid(unsafe_code)]

mod answer;
mod call;
mod calls;
mod confirmed;
mod decision;
mod description;
mod dialogues;
mod direction;
mod end;
mod error;
mod exchange;
mod family;
mod keys;
mod leg;
pub mod mediasec;
mod needed;
mod offer;
mod options;
mod plan;
mod render;
mod repeats;
mod reserved;
mod settle;
mod shown;
mod slot;

pub use answer::AnswerRequest;
pub use call::{Call, Dialogue};
pub use calls::{Calls, NotTaken};
pub use description::{SdpError, SdpRule, SessionDescription};
pub use error::{AlgError, LineRefusal};
pub use keys::Random;
pub use leg::Side;
pub use offer::OfferRequest;
pub use options::{
    AlgPolicy, MuxRule, OfferedSrtp, OtherMedia, Protection, RtcpAttribute, SideOptions,
    Unencrypted,
};
pub use plan::{Pending, Plan, Signalled, SignalledStream};
