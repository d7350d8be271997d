//! What a UE and its edge tell each other about media security when the UE registers
//! (draft-dawes-sipcore-mediasec-parameter on top of RFC 3329; TS 24.229 §5.1.1, §5.2.2).
//!
//! ```text
//! UE ──REGISTER  Security-Client: sdes-srtp;mediasec ─────────▶ on_register
//! UE ◀─401       Security-Server: sdes-srtp;mediasec ────────── security_server
//! UE ──REGISTER  Security-Verify: sdes-srtp;mediasec ─────────▶ on_register (else 494)
//! UE ◀─200 ──────────────────────────────────────────────────── on_registered
//! ```

mod dated;
mod headers;
mod mechanism;
mod store;

pub use headers::{Header, strip_mediasec};
pub use mechanism::{MechanismError, MediaMechanism, SecurityMechanism};
pub use store::{Access, Agreed, CapabilityStore, Registering};
