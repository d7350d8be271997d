//! Interoperability tests: calls through the real daemon with media that other software made, in
//! both directions, judged by what comes out decoded.
#![forbid(unsafe_code)]

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod ffmpeg;
#[cfg(test)]
mod gstreamer;
#[cfg(test)]
mod libsrtp;
#[cfg(test)]
mod reflection;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod srvcc;
