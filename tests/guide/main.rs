//! The flows of `proto/GUIDE.md` and `proto/ALG.md`, played step by step against the real daemon, with media between
//! the steps. A file for each kind of flow; the messages stand in the guides and nowhere else.
#![forbid(unsafe_code)]

#[cfg(test)]
mod book;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod conference;
#[cfg(test)]
#[path = "../../crates/agw-iq/examples/controller.rs"]
#[expect(dead_code, reason = "its main function is the program's")]
mod controller;
#[cfg(test)]
mod controllers;
#[cfg(test)]
mod dialogue;
#[cfg(test)]
mod media;
#[cfg(test)]
mod signalling;
#[cfg(test)]
mod transfers;
