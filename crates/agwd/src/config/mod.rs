//! What the operator configures: read once, refused loudly, the safe value is the default.
//!
//! Precedence, highest first: `--set`, environment (`AGWD__SECTION__KEY`), file, defaults. The
//! defaults are those of the annotated sample `deploy/agwd.toml`, and a test keeps them so.

mod alg;
mod check;
mod convert;
mod engine;
mod listen;
mod load;
mod ng;
mod place;
mod ports;
mod roles;
mod supervision;
#[cfg(test)]
mod tests;
mod xdp;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use alg::{Alg, OtherMediaLines};
pub(crate) use check::Host;
pub use check::Invalid;
pub use engine::Engine;
pub use listen::Listen;
pub use load::{ConfigError, Sources};
pub use ng::Ng;
pub use place::Placed;
pub use ports::PortRange;
pub use roles::Roles;
pub(crate) use supervision::Supervision;
pub use xdp::{Choice, Fallback, Mode, Xdp};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The Iq control API.
    pub iq: Iq,
    /// The IMS-ALG.
    pub alg: Alg,
    /// The ng protocol.
    pub ng: Ng,
    /// The admin HTTP server.
    pub admin: Admin,
    /// The control side's own resources.
    pub control: Control,
    /// The packet path.
    pub media: Media,
    /// The most of everything.
    pub limits: Limits,
    /// What controllers may ask for.
    pub policy: Policy,
    /// When calls are asked about and released unasked.
    pub supervision: Supervision,
    /// Logging.
    pub log: Log,
    /// How the daemon ends.
    pub drain: Drain,
    /// The IP realms; the first one is the default realm of controllers unless another says so.
    pub realm: Vec<Realm>,
}

/// The Iq control API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Iq {
    /// The TCP address; off the loopback it needs [`Iq::tls`].
    pub listen: Listen,
    /// The path of a unix socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unix_socket: Option<PathBuf>,
    /// The users who may use the unix socket; `None` is the daemon's own and root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unix_uids: Option<Vec<u32>>,
    /// The most connections of a listener at a time.
    pub max_connections: usize,
    /// The most subscriptions to events of one controller at a time.
    pub max_subscriptions: usize,
    /// How long a peer may take from connecting to its first HTTP/2 octets, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// Whether gRPC reflection is offered.
    pub reflection: bool,
    /// TLS 1.3 with a client certificate; `None` is plain text, on loopback only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What holders of certificates may do.
    #[serde(skip_serializing_if = "Roles::is_empty")]
    pub roles: Roles,
}

/// Certificates of the Iq listener, re-read on SIGHUP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate chain, leaf first.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub private_key: PathBuf,
    /// PEM file with the authorities that sign controllers' certificates.
    pub client_ca: PathBuf,
}

/// The admin HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The TCP address, on the loopback.
    pub listen: SocketAddr,
    /// Whether `PUT /log-filter` may change the log filter: every user of this machine may then.
    pub set_log_filter: bool,
}

/// The control side's own resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Threads for gRPC, TLS and HTTP.
    pub threads: usize,
}

/// The packet path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// Worker threads; 0 is one for each core the process may use.
    pub workers: usize,
    /// Whether each worker is pinned to a core of its own.
    pub pin: bool,
    /// What opens and seals packets.
    pub engine: Engine,
    /// How long a worker lets packets gather before it takes them, in microseconds, 0 to 500.
    pub coalesce_us: u64,
    /// How long a worker looks for packets again and again before it sleeps, in microseconds, 0 to
    /// 1,000.
    pub busy_poll_us: u64,
    /// What realms with `backend = "xdp"` share.
    pub xdp: Xdp,
}

/// The most of everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Contexts at a time.
    pub contexts: usize,
    /// Terminations of a context. A call by session descriptions takes one for its caller and one
    /// for each branch, and one more on each side for lines that an offer adds.
    pub terminations: usize,
    /// Members of a conference's group; they do not count as terminations.
    pub group_members: usize,
    /// Streams of a termination.
    pub streams: usize,
    /// SSRCs of one secured direction, 1 to 64.
    pub sources: u8,
    /// Events kept for controllers that come back.
    pub events: usize,
    /// What may wait for keys (RFC 4568 §5.1.1), of all calls together, in octets: the workers share
    /// it evenly.
    pub pre_key_octets: usize,
    /// What of contexts, ports and load only priority and emergency calls get, in percent, 0 to 50.
    pub reserve_percent: u8,
    /// Packets received in a second; 0 is no limit.
    pub packet_rate: u64,
    /// The share of its time in which the busiest worker has work, in percent; 0 is no limit.
    pub cpu_percent: u8,
    /// What may be in use of the memory, in percent; 0 is no limit.
    pub memory_percent: u8,
    /// The memory of which that is a part, in octets; `None` is what the control group grants, else
    /// the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_octets: Option<u64>,
    /// What one controller may hold of contexts and of each realm's ports, in percent, as far as new
    /// calls and added streams go.
    pub controller_share_percent: u8,
    /// The same for controllers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controller_shares: BTreeMap<String, u8>,
}

/// What controllers may ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Whether suites without encryption may be used.
    pub allow_null: bool,
    /// Whether F8_128_HMAC_SHA1_80 may be used (RFC 4568 §6.2.3).
    pub allow_f8: bool,
    /// Whether UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP may be used (RFC 4568 §6.3.2).
    pub allow_unencrypted: bool,
    /// How long a replaced ingress key opens packets unless a command says otherwise, in
    /// milliseconds.
    pub default_overlap_ms: u64,
    /// The longest overlap that a command may ask for, in milliseconds.
    pub max_overlap_ms: u64,
    /// How long changes of a group's membership gather before they are told together, unless a
    /// command says otherwise, in milliseconds.
    pub group_rekey_interval_ms: u64,
    /// How far ahead the activation of a staged key may be put off, in seconds.
    pub max_activation_delay_s: u64,
    /// Whether a key that opened packets of an ended call may open those of another one.
    pub allow_ingress_key_return: bool,
    /// The time gate of plain legs that learn their source, in milliseconds (TS 23.334 §5.4).
    pub latch_gate_ms: u64,
    /// How many times its signalled bandwidth a stream may take; 0 is no limit
    /// (TS 23.334 §6.2.5).
    pub policing_factor: u32,
    /// How long it may do so at once, in milliseconds: the depth of its bucket.
    pub policing_burst_ms: u64,
    /// The most packets that a controller may have wait for the key of a stream, 0 to 64.
    pub pre_key_packets: u8,
    /// How long ports rest after release, in milliseconds.
    pub port_rest_ms: u64,
}

/// Logging, to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A level or a list of `target=level`, as `tracing-subscriber` reads it; re-read on SIGHUP.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// How long SIGTERM waits for contexts to be released, in seconds.
    pub timeout_s: u64,
}

/// What carries the packets of a realm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RealmBackend {
    /// A UDP socket for each port.
    #[default]
    Sockets,
    /// AF_XDP on the realm's device, past the kernel's network stack.
    Xdp,
}

/// What becomes of datagrams that are longer than the path takes, as when SRTP has made them grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Oversize {
    /// They leave in fragments; [`RealmBackend::Xdp`] does not fragment, but lets routers.
    #[default]
    Fragment,
    /// They are refused and counted; what leaves says "don't fragment".
    Refuse,
}

/// An IP realm (TS 23.334 §5.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Realm {
    /// Its name, as controllers use it.
    pub name: String,
    /// Local addresses, at most one of each family; the first one's family is the default.
    pub addresses: Vec<IpAddr>,
    /// What peers are told in place of the address of the same family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advertise: Vec<IpAddr>,
    /// The media ports.
    pub ports: PortRange,
    /// Whether it is the realm of controllers that name none; if no realm is, the first one is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
    /// The most streams at a time; `None` is as many as there are ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<usize>,
    /// The DSCP of what leaves, 0 to 63; `None` leaves the system's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dscp: Option<u8>,
    /// The IPv4 time to live and IPv6 hop limit of what leaves, 1 to 255; `None` leaves the system's
    /// default, and 64 with [`RealmBackend::Xdp`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop_limit: Option<u8>,
    /// What becomes of datagrams that are longer than the path takes.
    #[serde(default)]
    pub oversize: Oversize,
    /// The receive buffer of each media port, in octets; `None` leaves the system's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_buffer_octets: Option<usize>,
    /// The network device that media ports are bound to; a must for [`RealmBackend::Xdp`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What carries its packets.
    #[serde(default)]
    pub backend: RealmBackend,
    /// The most media ports in use at a time; `None` is all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ports: Option<usize>,
    /// What it demands of streams.
    #[serde(default)]
    pub protection: RealmProtection,
    /// Whether peers there may be at its own media ports: calls between two subscribers of this
    /// gateway, whose halves meet in the core.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hairpin: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// What a realm demands of the media that peers there send and are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RealmProtection {
    /// Any stream may be there.
    #[default]
    Optional,
    /// Plain streams are refused.
    Required,
    /// Plain streams and SRTP that the gateway does not open are refused.
    Terminated,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let realm = |name: &str, low, high| Realm {
            name: name.to_owned(),
            addresses: loopback.clone(),
            advertise: Vec::new(),
            ports: PortRange { low, high },
            default: false,
            max_streams: None,
            dscp: None,
            hop_limit: None,
            oversize: Oversize::Fragment,
            receive_buffer_octets: None,
            device: None,
            backend: RealmBackend::Sockets,
            max_ports: None,
            protection: RealmProtection::Optional,
            hairpin: false,
        };
        Self {
            iq: Iq::default(),
            alg: Alg::default(),
            ng: Ng::default(),
            admin: Admin::default(),
            control: Control::default(),
            media: Media::default(),
            limits: Limits::default(),
            policy: Policy::default(),
            supervision: Supervision::default(),
            log: Log::default(),
            drain: Drain::default(),
            realm: vec![realm("access", 40_000, 44_999), realm("core", 45_000, 49_999)],
        }
    }
}

impl Default for Iq {
    fn default() -> Self {
        Self {
            listen: Listen(Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 7400))),
            unix_socket: None,
            unix_uids: None,
            max_connections: 64,
            max_subscriptions: 16,
            handshake_timeout_ms: 3_000,
            reflection: true,
            tls: None,
            roles: Roles::default(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        let listen = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 7401);
        Self { listen, set_log_filter: false }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self { threads: 1 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            contexts: 10_000,
            terminations: 32,
            group_members: 64,
            streams: 64,
            sources: 64,
            events: 65_536,
            pre_key_octets: 16 << 20,
            reserve_percent: 10,
            packet_rate: 0,
            cpu_percent: 90,
            memory_percent: 85,
            memory_octets: None,
            controller_share_percent: 100,
            controller_shares: BTreeMap::new(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            allow_null: false,
            allow_f8: false,
            allow_unencrypted: false,
            default_overlap_ms: 2_000,
            max_overlap_ms: 60_000,
            group_rekey_interval_ms: 10_000,
            max_activation_delay_s: 86_400,
            allow_ingress_key_return: false,
            latch_gate_ms: 3_000,
            policing_factor: 3,
            policing_burst_ms: 2_000,
            pre_key_packets: 64,
            port_rest_ms: 10_000,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        // HTTP/2 warns of every connection that it ends for its behaviour, as often as one comes.
        Self { filter: "info,h2=error".to_owned(), format: LogFormat::Text }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { timeout_s: 300 }
    }
}

impl Iq {
    /// How long a peer may take from connecting to its first HTTP/2 octets.
    #[must_use]
    pub const fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }
}

impl Drain {
    /// How long SIGTERM waits for contexts to be released.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}
