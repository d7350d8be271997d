//! Interoperability tests: calls through the real daemon with media that other software made, in
//! both directions, judged by what comes out decoded.
#![forbid(unsafe_code)]

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod controllers;
#[cfg(test)]
mod ffmpeg;
#[cfg(test)]
mod gstreamer;
#[cfg(test)]
mod kamailio;
#[cfg(test)]
mod libsrtp;
#[cfg(test)]
#[path = "../e2e/alg/party.rs"]
#[expect(dead_code, reason = "shared with the end-to-end tests, which use the rest")]
mod party;
#[cfg(test)]
mod pcscf;
#[cfg(test)]
mod phones;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod sip;
#[cfg(test)]
mod srvcc;
#[cfg(test)]
mod ten_minutes;
