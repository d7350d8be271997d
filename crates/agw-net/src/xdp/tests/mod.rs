//! The backend on veth pairs between network namespaces; needs root, says so without.

mod peer;
mod ports;
mod rig;
mod wire;
