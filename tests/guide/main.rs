//! The flows of `proto/GUIDE.md`, played step by step against the real daemon, with media between
//! the steps. A file for each kind of flow; the messages stand in the guide and nowhere else.
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
mod media;
#[cfg(test)]
mod transfers;
