//! The rules of configuration values.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use agw_context::Family;
use agw_simd::AnyEngine;
use tracing_subscriber::EnvFilter;

use super::xdp::KernelPorts;
use super::{Choice, Config, Mode, Realm, RealmBackend};

/// A key and the rule that its value breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The key, dotted; realms by their position from 0.
    pub key: String,
    /// The rule.
    pub rule: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.rule)
    }
}

/// What the rules need to know of the host.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// The addresses of its interfaces; `None` if they cannot be told.
    pub(crate) addresses: Option<Vec<IpAddr>>,
    /// The cores that the process may use.
    pub(crate) cores: usize,
    /// The ports that other programs may be given.
    pub(crate) ports: KernelPorts,
}

impl Host {
    /// The host that this process runs on.
    pub(crate) fn this() -> Self {
        let cores = agw_net::allowed_cores().map_or(1, |cores| cores.len().max(1));
        Self { addresses: agw_net::local_addresses().ok(), cores, ports: KernelPorts::this() }
    }

    /// Whether sockets can be bound to the address.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        let Some(addresses) = &self.addresses else {
            return true;
        };
        let is_loopback_v4 = matches!(address, IpAddr::V4(v4) if v4.is_loopback());
        addresses.contains(&address)
            || is_loopback_v4 && addresses.contains(&Ipv4Addr::LOCALHOST.into())
    }
}

impl Config {
    /// Holds every value against its rule; tells all that are broken.
    pub(crate) fn check(&self, host: &Host) -> Result<(), Vec<Invalid>> {
        let mut rules = Rules::default();
        self.check_listeners(&mut rules);
        self.check_media(host, &mut rules);
        self.check_limits(&mut rules);
        self.check_policy(&mut rules);
        self.supervision.check(&mut rules);
        let is_alg = self.alg.enabled || self.ng.is_on();
        self.alg.check(is_alg.then_some(self.limits.terminations), &mut rules);
        self.ng.check(&mut rules);
        if let Err(error) = EnvFilter::try_new(&self.log.filter) {
            rules.broken("log.filter", error.to_string());
        }
        rules.within("drain.timeout_s", self.drain.timeout_s, 0..=86_400);
        rules.must(!self.realm.is_empty(), "realm", "there must be at least one");
        for (position, realm) in self.realm.iter().enumerate() {
            check_realm(position, realm, &mut rules);
            if realm.backend == RealmBackend::Xdp {
                check_xdp_realm(position, realm, host, &mut rules);
            }
        }
        self.check_pools(&mut rules);
        if rules.broken.is_empty() { Ok(()) } else { Err(rules.broken) }
    }

    fn check_listeners(&self, rules: &mut Rules) {
        let (iq, admin) = (&self.iq, &self.admin);
        rules.must(
            iq.listen.0.is_some() || iq.unix_socket.is_some(),
            "iq.listen",
            "must be an address unless iq.unix_socket is set",
        );
        rules.must(
            //= tests/spec/iq.md#access
            //# A listener off loopback MUST be refused without mutual TLS.
            iq.tls.is_some() || iq.listen.0.is_none_or(|address| address.ip().is_loopback()),
            "iq.listen",
            "an address off the loopback needs [iq.tls]: certificates for both sides",
        );
        rules.must(
            iq.tls.is_some() || iq.roles.is_empty(),
            "iq.roles",
            "has no meaning without [iq.tls]",
        );
        if let Some(rule) = iq.roles.broken() {
            rules.broken("iq.roles", rule);
        }
        rules.must(
            iq.unix_socket.is_some() || iq.unix_uids.is_none(),
            "iq.unix_uids",
            "has no meaning without iq.unix_socket",
        );
        rules.must(
            iq.unix_uids.as_ref().is_none_or(|uids| !uids.is_empty()),
            "iq.unix_uids",
            "must name at least one user",
        );
        rules.within("iq.max_connections", iq.max_connections as u64, 1..=4_096);
        rules.within("iq.max_subscriptions", iq.max_subscriptions as u64, 1..=1_024);
        rules.within("iq.handshake_timeout_ms", iq.handshake_timeout_ms, 100..=60_000);
        rules.must(
            admin.listen.ip().is_loopback(),
            "admin.listen",
            "must be on the loopback: it has neither TLS nor authentication",
        );
        rules.must(
            admin.listen.port() == 0 || iq.listen.0 != Some(admin.listen),
            "admin.listen",
            "must differ from iq.listen",
        );
        rules.within("control.threads", self.control.threads as u64, 1..=64);
    }

    fn check_media(&self, host: &Host, rules: &mut Rules) {
        let media = &self.media;
        rules.within("media.workers", media.workers as u64, 0..=256);
        rules.within("media.coalesce_us", media.coalesce_us, 0..=500);
        rules.within("media.busy_poll_us", media.busy_poll_us, 0..=1_000);
        if let Err(unsupported) = AnyEngine::new(media.engine.0) {
            rules.broken("media.engine", unsupported.to_string());
        }
        rules.must(
            !media.pin || media.workers <= host.cores,
            "media.pin",
            format!("{} workers need as many cores, there are {}", media.workers, host.cores),
        );
        let xdp = &media.xdp;
        rules.within("media.xdp.busy_poll_us", xdp.busy_poll_us, 0..=1_000);
        rules.must(
            xdp.frames.is_power_of_two() && (64..=32_768).contains(&xdp.frames),
            "media.xdp.frames",
            "must be a power of two, 64 to 32768",
        );
        rules.must(
            xdp.mode != Mode::Generic || xdp.zero_copy != Choice::On,
            "media.xdp.zero_copy",
            "is not to be had in generic mode",
        );
    }

    fn check_limits(&self, rules: &mut Rules) {
        let limits = &self.limits;
        rules.within("limits.contexts", limits.contexts as u64, 1..=1_000_000);
        rules.within("limits.terminations", limits.terminations as u64, 2..=256);
        rules.within("limits.group_members", limits.group_members as u64, 0..=1_000);
        rules.within("limits.streams", limits.streams as u64, 1..=64);
        rules.within("limits.sources", u64::from(limits.sources), 1..=64);
        rules.within("limits.events", limits.events as u64, 1..=10_000_000);
        rules.within("limits.pre_key_octets", limits.pre_key_octets as u64, 0..=1 << 34);
        rules.within("limits.reserve_percent", limits.reserve_percent.into(), 0..=50);
        rules.within("limits.cpu_percent", limits.cpu_percent.into(), 0..=100);
        rules.within("limits.memory_percent", limits.memory_percent.into(), 0..=100);
        if let Some(octets) = limits.memory_octets {
            rules.within("limits.memory_octets", octets, 1..=1 << 60);
        }
        let share = limits.controller_share_percent;
        rules.within("limits.controller_share_percent", share.into(), 1..=100);
        for (controller, share) in &limits.controller_shares {
            let key = format!("limits.controller_shares.{controller}");
            rules.within(&key, u64::from(*share), 1..=100);
        }
    }

    fn check_policy(&self, rules: &mut Rules) {
        let policy = &self.policy;
        rules.within("policy.max_overlap_ms", policy.max_overlap_ms, 0..=600_000);
        rules.must(
            policy.default_overlap_ms <= policy.max_overlap_ms,
            "policy.default_overlap_ms",
            "must not be above policy.max_overlap_ms",
        );
        let interval = policy.group_rekey_interval_ms;
        rules.within("policy.group_rekey_interval_ms", interval, 0..=600_000);
        let delay = policy.max_activation_delay_s;
        rules.within("policy.max_activation_delay_s", delay, 1..=604_800);
        rules.within("policy.latch_gate_ms", policy.latch_gate_ms, 1..=60_000);
        rules.within("policy.policing_factor", policy.policing_factor.into(), 0..=1_000);
        rules.within("policy.policing_burst_ms", policy.policing_burst_ms, 100..=60_000);
        rules.within("policy.pre_key_packets", policy.pre_key_packets.into(), 0..=64);
        rules.within("policy.port_rest_ms", policy.port_rest_ms, 0..=600_000);
    }

    /// Names are unique, and no port of an address belongs to two realms.
    fn check_pools(&self, rules: &mut Rules) {
        for (position, realm) in self.realm.iter().enumerate() {
            for earlier in self.realm.iter().take(position) {
                rules.must(
                    realm.name != earlier.name,
                    &format!("realm[{position}].name"),
                    format!("{:?} is the name of an earlier realm", realm.name),
                );
                rules.must(
                    !(realm.default && earlier.default),
                    &format!("realm[{position}].default"),
                    format!("realm {:?} is the default realm already", earlier.name),
                );
                let shares = realm.addresses.iter().find(|a| earlier.addresses.contains(a));
                if let Some(address) = shares.filter(|_| realm.ports.overlaps(earlier.ports)) {
                    rules.broken(
                        &format!("realm[{position}].ports"),
                        format!("ports of {address} belong to realm {:?} already", earlier.name),
                    );
                }
            }
        }
    }
}

fn check_realm(position: usize, realm: &Realm, rules: &mut Rules) {
    let key = |field: &str| format!("realm[{position}].{field}");
    let is_name = (1..=64).contains(&realm.name.len())
        && realm.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    rules.must(is_name, &key("name"), "must be 1 to 64 of A-Z a-z 0-9 . _ -");
    rules.must(!realm.addresses.is_empty(), &key("addresses"), "must name at least one address");
    one_of_each_family(&realm.addresses, &key("addresses"), rules);
    one_of_each_family(&realm.advertise, &key("advertise"), rules);
    for &address in &realm.advertise {
        rules.must(
            realm.addresses.iter().any(|&bound| Family::of(bound) == Family::of(address)),
            &key("advertise"),
            format!("{address} stands for no address of its family"),
        );
    }
    rules.must(
        realm.ports.low > 0 && realm.ports.pairs() > 0,
        &key("ports"),
        "must hold an even port and the odd one after it",
    );
    rules.within(&key("dscp"), u64::from(realm.dscp.unwrap_or_default()), 0..=63);
    rules.must(realm.max_streams != Some(0), &key("max_streams"), "must not be 0");
    rules.within(&key("hop_limit"), u64::from(realm.hop_limit.unwrap_or(1)), 1..=255);
    if let Some(octets) = realm.receive_buffer_octets {
        rules.within(&key("receive_buffer_octets"), octets as u64, 4_096..=1 << 30);
    }
    if let Some(ports) = realm.max_ports {
        rules.within(&key("max_ports"), ports as u64, 2..=131_072);
    }
    // What goes to an address of the host itself takes neither a device nor a translation.
    let is_plain = realm.backend == RealmBackend::Sockets
        && realm.device.is_none()
        && realm.advertise.is_empty();
    rules.must(
        !realm.hairpin || is_plain,
        &key("hairpin"),
        "must be false with backend = \"xdp\", a device or addresses to advertise",
    );
    let is_device = realm.device.as_ref().is_none_or(|name| (1..=15).contains(&name.len()));
    rules.must(is_device, &key("device"), "must be 1 to 15 octets");
}

/// What the `xdp` backend asks for besides.
fn check_xdp_realm(position: usize, realm: &Realm, host: &Host, rules: &mut Rules) {
    let key = |field: &str| format!("realm[{position}].{field}");
    rules.must(realm.device.is_some(), &key("device"), "must be set for backend = \"xdp\"");
    rules.must(
        realm.receive_buffer_octets.is_none(),
        &key("receive_buffer_octets"),
        "has no meaning for backend = \"xdp\": see media.xdp.frames",
    );
    rules.must(
        !host.ports.gives_out(realm.ports),
        &key("ports"),
        format!(
            "the kernel may give some of {} to other programs, which would then get no packets; \
             keep them: {}",
            realm.ports,
            host.ports.remedy(realm.ports)
        ),
    );
}

fn one_of_each_family(addresses: &[IpAddr], key: &str, rules: &mut Rules) {
    let families: BTreeSet<bool> = addresses.iter().map(IpAddr::is_ipv4).collect();
    rules.must(families.len() == addresses.len(), key, "at most one address of each family");
    for address in addresses {
        rules.must(
            !address.is_unspecified() && !address.is_multicast(),
            key,
            format!("{address} is no address of a single host"),
        );
    }
}

/// The rules that were found broken.
#[derive(Default)]
pub(super) struct Rules {
    broken: Vec<Invalid>,
}

impl Rules {
    pub(super) fn broken(&mut self, key: &str, rule: impl Into<String>) {
        self.broken.push(Invalid { key: key.to_owned(), rule: rule.into() });
    }

    pub(super) fn must(&mut self, holds: bool, key: &str, rule: impl Into<String>) {
        if !holds {
            self.broken(key, rule);
        }
    }

    pub(super) fn within(&mut self, key: &str, value: u64, range: RangeInclusive<u64>) {
        let rule = format!("must be {} to {}", range.start(), range.end());
        self.must(range.contains(&value), key, rule);
    }
}
