//! The agw daemon: configuration, wiring, workers, control, admin, metrics, logs, signals.
//!
//! This crate knows threads, sockets, certificates and the operator. It does not know what becomes
//! of a packet (`agw-relay`), what a controller may ask (`agw-context`) or how that is written
//! (`agw-iq`). Start at [`Daemon::start`]; `worker` shows who calls the packet path, `control` who
//! calls the control model, `service` how the process lives and ends.
#![forbid(unsafe_code)]

mod admin;
mod alg;
mod backend;
pub mod cli;
mod config;
mod control;
mod daemon;
mod demo;
mod exit;
mod expiry;
mod last;
mod listener;
mod logging;
mod memory;
mod metrics;
mod monitor;
mod ng;
mod overload;
mod presence;
mod realms;
mod refusal_log;
mod reload;
mod service;
mod service_change;
mod subscriptions;
#[cfg(test)]
#[expect(dead_code, reason = "shared with the integration tests, which use the rest")]
mod testing;
mod tls;
mod worker;
mod xdp;

pub use config::{
    Admin, Alg, Choice, Config, ConfigError, Control, Drain, Engine, Fallback, Invalid, Iq, Limits,
    Listen, Log, LogFormat, Media, Mode, Ng, OtherMediaLines, Placed, Policy, PortRange, Realm,
    RealmBackend, Roles, Sources, Tls, Xdp,
};
pub use daemon::{Daemon, Running, StartError};
pub use exit::Exit;
pub use listener::UnixSocketError;
pub use logging::{LogError, LogFilter};
pub use tls::TlsError;
pub use xdp::XdpError;
