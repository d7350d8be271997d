//! The backend on veth pairs between network namespaces; needs root, says so without.

mod handover;
mod held;
mod link;
mod peer;
mod ports;
mod refusals;
mod rig;
mod round;
mod wire;
