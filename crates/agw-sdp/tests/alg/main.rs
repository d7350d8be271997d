//! The IMS-ALG through its public door, on a real gateway with a real packet path behind it.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod dialogues;
mod event;
mod fork;
mod golden;
mod media;
mod octets;
mod party;
mod properties;
mod registration;
mod story;
mod world;
