//! SRTP and SRTCP crypto contexts (RFC 3711, RFC 6188, RFC 7714): opening what arrives, sealing
//! what leaves.
//!
//! This crate knows keys, indices and packet octets. It does not know where keys come from, nor
//! sockets, clocks or calls: the time is an argument, and packets are worked on in the caller's
//! buffer without allocation.
//!
//! Start at [`Unprotector`] (ingress) and [`Protector`] (egress); both hand out [`Job`]s, which an
//! [`Engine`] such as [`Portable`] runs in batches.
//!
//! ```
//! use std::time::Instant;
//!
//! use agw_srtp::{
//!     EgressKey, IngressKey, MasterKey, Portable, Protector, SessionParameters, Suite, Unprotector,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = || MasterKey::from_concatenated(Suite::AeadAes128Gcm, &[7; 28]);
//! let parameters = SessionParameters::default();
//! let mut egress = Protector::new(&Portable, vec![EgressKey::new(key()?)], parameters, 0)?;
//! let mut ingress = Unprotector::new(&Portable, vec![IngressKey::new(key()?)], parameters, 0)?;
//!
//! let mut buffer = [0; 256];
//! buffer[0] = 0x80; // an RTP packet of 172 octets
//! let sealed = egress.protect_srtp(&Portable, &mut buffer, 172)?;
//! # let now = Instant::now();
//! assert_eq!(ingress.unprotect_srtp(&Portable, &mut buffer, sealed, now)?, 172);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod engine;
mod error;
mod event;
mod former;
mod index;
mod kdf;
mod key;
mod key_use;
mod live;
mod params;
mod pool;
mod portable;
mod protector;
mod room;
mod sources;
mod suite;
mod ticket;
mod unprotector;
mod usage;
#[cfg(test)]
mod vectors;
mod window;

pub use engine::{Engine, Frame, Job, MAX_TRAILER, Operation};
pub use error::{CryptoFailure, ProtectError, UnprotectError};
pub use event::KeyEvent;
pub use former::{FormerKeys, MAX_FORMER_KEYS};
pub use index::{PacketIndex, SrtcpIndex, estimate_index};
pub use kdf::{ProtocolKeys, SessionKeys};
pub use key::{EgressKey, IngressKey, KeyError, Lifetime, MasterKey, Mki};
pub use key_use::{KeyCount, KeyStanding, KeyUse};
pub use live::MAX_KEYS;
pub use params::{Rekey, RocOnRekey, SessionParameters};
pub use pool::KeyPool;
pub use portable::{Portable, PortableKeys};
pub use protector::Protector;
pub use room::SpareRooms;
pub use sources::SourceState;
pub use suite::Suite;
pub use ticket::{Accepted, OpenTicket, SealTicket};
pub use unprotector::{MAX_RETIRED, OVERLAP_AFTER_MKI, Unprotector};
pub use window::{Fresh, ReplayWindow, Stale};
