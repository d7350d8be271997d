//! The control model: contexts, terminations and streams (H.248.1 §6, TS 23.334).
//!
//! This crate knows what a call is and what a controller may ask of it. It does not know gRPC,
//! sockets, threads or clocks: ports come through [`Ports`], time and randomness are arguments,
//! and what the packet path must do comes out as [`agw_relay::Command`]s.
//! Start at [`Gateway::transact`].
#![forbid(unsafe_code)]

mod activation;
mod admission;
mod audit;
mod blocked;
mod checks;
mod command;
mod configure;
mod error;
mod event;
mod extras;
mod few;
mod fingerprint;
mod gateway;
mod group;
mod growth;
mod hairpin;
mod held;
mod id;
mod keys;
mod late;
mod leg;
mod log;
mod model;
mod numbers;
mod policy;
mod pool;
mod ports;
mod realm;
mod reply;
mod reserve;
mod rewrite;
mod service;
mod setup;
mod supervision;
mod terms;
#[cfg(test)]
mod testing;
mod topology;
mod transaction;
mod usage;

pub use admission::{Admission, Priority, RealmRoom};
pub use audit::{
    Capabilities, ContextName, ContextView, KeyView, LocalPort, PutOff, RealmView, StagedKeyView,
    StreamView, TerminationView,
};
pub use checks::LEAST_BURST;
pub use command::{
    ActivateKey, Association, CancelKey, ChangeThroughConnection, Command, Configure,
    ContextChoice, CryptoChange, CryptoContext, DirectedKey, Direction, DscpRule, EcnRule,
    Expecting, Family, KeySlot, KeySource, Media, Relation, Release, Remote, Reserve, RtcpMode,
    SetTopology, SourcePolicy, StageKey, StreamChange, StreamMode, StreamSpec, TopologyChange,
};
pub use error::{CommandError, Reason, Refused, Resource};
pub use event::{Ended, Event, EventKind, Subject};
pub use extras::{Bandwidth, Change, RtcpGate, StreamExtras, StreamExtrasChange, StreamLimits};
pub use gateway::{Gateway, Outcome};
pub use group::{
    GroupKey, GroupKeyChange, GroupView, MAX_REKEY_INTERVAL, RekeyInterval, RemoveGroup, SetGroup,
};
pub use id::{ContextId, Controller, GroupId, StreamId, TerminationId};
pub use late::LateChoice;
pub use log::EventsGone;
pub use policy::Policy;
pub use ports::{PortError, Ports};
pub use realm::{Protection, RealmAddress, RealmConfig};
pub use reply::{
    LocalStream, ReleaseReply, ReleasedGroup, ReleasedStream, Reply, TerminationReply,
};
pub use rewrite::RewriteSources;
pub use service::{OverloadLevel, ServiceCause, ServiceState};
pub use setup::SetupError;
pub use supervision::{
    AdoptContexts, Confirmation, Forsaken, HEARTBEAT_PERIODS, Hanging, ReleaseCause,
    SupervisionPolicy, Suspect, Unasked,
};
pub use topology::MAX_ASSOCIATIONS;
pub use transaction::{Circumstances, Work};
