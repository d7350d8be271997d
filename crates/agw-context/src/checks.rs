//! Rules of single fields: what a controller may write into a command.

use std::net::{IpAddr, SocketAddr};

use agw_relay::{PreKeySpec, SourceFilter, TrafficLimit, Transport};
use agw_srtp::{
    EgressKey, IngressKey, KeyError, Lifetime, MAX_KEYS, MasterKey, Mki, SessionParameters,
};

use crate::command::{CryptoContext, Direction, DscpRule, Family, Remote, SourcePolicy};
use crate::error::{CommandError, Reason};
use crate::fingerprint::{Fingerprint, Fingerprinter};
use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::realm::Realm;

/// A bucket that holds less would let no video pass.
pub const LEAST_BURST: u64 = 1_500;

/// What keys of both directions have in common.
pub(crate) trait Key {
    /// The direction that the key is for.
    const DIRECTION: Direction;

    fn master(&self) -> &MasterKey;
    fn mki(&self) -> Option<&Mki>;
    fn lifetime(&self) -> Lifetime;
}

impl Key for IngressKey {
    const DIRECTION: Direction = Direction::Ingress;

    fn master(&self) -> &MasterKey {
        &self.master
    }

    fn mki(&self) -> Option<&Mki> {
        self.mki.as_ref()
    }

    fn lifetime(&self) -> Lifetime {
        self.lifetime
    }
}

impl Key for EgressKey {
    const DIRECTION: Direction = Direction::Egress;

    fn master(&self) -> &MasterKey {
        &self.master
    }

    fn mki(&self) -> Option<&Mki> {
        self.mki.as_ref()
    }

    fn lifetime(&self) -> Lifetime {
        self.lifetime
    }
}

pub(crate) fn invalid(
    field: impl Into<String>,
    rule: &'static str,
    reason: Reason,
) -> CommandError {
    CommandError::Invalid { field: field.into(), rule, reason }
}

/// Checks keys and parameters of one direction, and tells the keys' fingerprints.
pub(crate) fn crypto_context<K: Key>(
    context: &CryptoContext<K>,
    field: &str,
    policy: &Policy,
    fingerprinter: &Fingerprinter,
) -> Result<Vec<Fingerprint>, CommandError> {
    let parameters = &context.parameters;
    if (parameters.unencrypted_srtp || parameters.unencrypted_srtcp) && !policy.allow_unencrypted {
        let rule = "UNENCRYPTED_SRTP and UNENCRYPTED_SRTCP are refused by policy";
        return Err(invalid(field, rule, Reason::SessionParameterRefused));
    }
    if !(64..=4096).contains(&parameters.window) {
        let rule = "must be 64 to 4096 packets";
        return Err(invalid(format!("{field}.parameters.window"), rule, Reason::FieldValue));
    }
    let most_sources = policy.max_sources.min(SessionParameters::MAX_SOURCES);
    if !(1..=most_sources).contains(&parameters.max_sources) {
        let rule = "must be 1 to the most sources that policy allows";
        return Err(invalid(format!("{field}.parameters.max_sources"), rule, Reason::FieldValue));
    }
    if context.overlap.is_some_and(|overlap| overlap > policy.max_overlap) {
        let rule = "is longer than policy allows";
        return Err(invalid(format!("{field}.overlap_ms"), rule, Reason::FieldValue));
    }
    let key_error = |error| CommandError::Key { field: format!("{field}.keys"), error };
    if context.keys.len() > MAX_KEYS {
        return Err(key_error(KeyError::TooManyKeys(context.keys.len())));
    }
    let first = context.keys.first().ok_or_else(|| key_error(KeyError::NoKey))?;
    let mut fingerprints = Vec::with_capacity(context.keys.len());
    for (position, key) in context.keys.iter().enumerate() {
        let field = format!("{field}.keys[{position}]");
        if key.master().suite() != first.master().suite() {
            return Err(key_error(KeyError::SuiteMismatch));
        }
        let mki_length = |key: &K| key.mki().map(|mki| mki.as_slice().len());
        let is_twin = |other: &K| other.mki() == key.mki();
        let others = context.keys.get(..position).unwrap_or_default();
        if mki_length(key) != mki_length(first) || others.iter().any(is_twin) {
            return Err(key_error(KeyError::MkiMismatch));
        }
        let fingerprint = single_key(key, &field, policy, fingerprinter)?;
        if fingerprints.contains(&fingerprint) {
            return Err(CommandError::KeyReuse { field, direction: K::DIRECTION });
        }
        fingerprints.push(fingerprint);
    }
    Ok(fingerprints)
}

/// Checks one key by itself, and tells its fingerprint.
pub(crate) fn single_key<K: Key>(
    key: &K,
    field: &str,
    policy: &Policy,
    fingerprinter: &Fingerprinter,
) -> Result<Fingerprint, CommandError> {
    let master = key.master();
    //= tests/spec/srtp.md#suites
    //# The NULL cipher MUST be refused unless policy allows it.
    if !policy.allows(master.suite()) {
        // The suite is said once, beside the keys.
        let field =
            field.rsplit_once('.').map_or("suite".to_owned(), |(of, _)| format!("{of}.suite"));
        return Err(CommandError::SuiteRefused { field, suite: master.suite() });
    }
    let key_octets_are_zero = master.expose(|octets| {
        octets.iter().take(master.suite().key_len()).fold(0, |all, octet| all | octet) == 0
    });
    if key_octets_are_zero {
        return Err(invalid(field, "a key of zeros is no key", Reason::KeyWeak));
    }
    let (most, life) = (master.suite().max_lifetime(), key.lifetime());
    if !(1..=most.srtp).contains(&life.srtp) || !(1..=most.srtcp).contains(&life.srtcp) {
        return Err(CommandError::Key { field: field.to_owned(), error: KeyError::Lifetime });
    }
    Ok(fingerprinter.of(master))
}

/// Checks a code point.
pub(crate) fn dscp(rule: DscpRule, field: &str) -> Result<(), CommandError> {
    match rule {
        DscpRule::Set(64..) => {
            Err(invalid(format!("{field}.dscp.code_point"), "must be 0 to 63", Reason::FieldValue))
        }
        DscpRule::Set(_) | DscpRule::Realm | DscpRule::Copy => Ok(()),
    }
}

/// Checks a peer's addresses: something that media may be sent to.
pub(crate) fn remote(
    remote: &Remote,
    field: &str,
    family: Family,
    realm: &Realm,
    gateway: &Gateway,
) -> Result<(), CommandError> {
    for (name, address) in remote.addresses() {
        let refuse = |rule| Err(invalid(format!("{field}.{name}"), rule, Reason::AddressRefused));
        if address.port() == 0 {
            return refuse("the port must not be 0");
        }
        if Family::of(address.ip()) != family {
            return refuse("the address must be of the termination's family");
        }
        if is_nowhere(address.ip()) {
            return refuse(
                "the address must not be of 0.0.0.0/8 or 240.0.0.0/4, unspecified, multicast or \
                 IPv6 link-local",
            );
        }
        if address.ip().is_loopback() && !realm.is_loopback() {
            return refuse("the address must not be loopback in a realm that is not");
        }
        //= tests/spec/iq.md#reservation
        //# A media port of the gateway MUST be taken for a peer's only in a realm that hairpins, of
        //# the same realm.
        if realm.hairpins(address) {
            continue;
        }
        let is_own = |realm: &Realm| realm.owns(address);
        if gateway.realms.iter().any(is_own) || is_listener(address, &gateway.policy) {
            return refuse("the address must not be one of the gateway's own");
        }
        //= tests/spec/iq.md#reservation
        //# No address of the gateway's host MUST be taken for a peer's, but for loopback in a realm
        //# on loopback.
        if !address.ip().is_loopback() && gateway.local.contains(&address.ip()) {
            return refuse("the address must not be one of the gateway's host");
        }
    }
    Ok(())
}

/// Checks whom a leg listens to.
pub(crate) fn source(
    source: SourcePolicy,
    field: &str,
    transport: Transport,
) -> Result<(), CommandError> {
    match (source, transport) {
        (SourcePolicy::Latch { within: Some(_) }, Transport::Secured) => {
            let rule = "is for streams without keys: a secured one has no time gate";
            Err(invalid(format!("{field}.within_ms"), rule, Reason::FieldValue))
        }
        (SourcePolicy::Latch { .. } | SourcePolicy::Signalled, _) => Ok(()),
    }
}

/// Checks whether what latches once latches at all.
pub(crate) fn latch_once(
    latches_once: bool,
    source: SourcePolicy,
    field: &str,
) -> Result<(), CommandError> {
    if latches_once && source == SourcePolicy::Signalled {
        let rule = "is for streams that latch";
        return Err(invalid(format!("{field}.latch_once"), rule, Reason::FieldValue));
    }
    Ok(())
}

/// Checks who may send to a leg.
pub(crate) fn source_filter(
    filter: &SourceFilter,
    field: &str,
    family: Family,
) -> Result<(), CommandError> {
    if filter.network.is_some_and(|network| Family::of(network.address()) != family) {
        let rule = "the network must be of the termination's family";
        return Err(invalid(format!("{field}.network"), rule, Reason::AddressRefused));
    }
    if filter.lowest_port > filter.highest_port {
        let rule = "must not be below lowest_port";
        return Err(invalid(format!("{field}.highest_port"), rule, Reason::FieldValue));
    }
    Ok(())
}

/// Refuses a buffer that policy or the transport leaves no place for.
pub(crate) fn pre_key(
    buffer: PreKeySpec,
    field: &str,
    transport: Transport,
    policy: &Policy,
) -> Result<(), CommandError> {
    if transport != Transport::Secured {
        return Err(invalid(field, "is for secured streams", Reason::FieldValue));
    }
    if buffer.packets == 0 || buffer.time.is_zero() {
        return Err(invalid(field, "needs packets and a time", Reason::FieldValue));
    }
    if buffer.packets > policy.max_pre_key_packets {
        let rule = "must not be above what policy allows";
        return Err(invalid(format!("{field}.packets"), rule, Reason::FieldValue));
    }
    Ok(())
}

/// Checks how much may pass.
pub(crate) fn traffic_limit(limit: &TrafficLimit, field: &str) -> Result<(), CommandError> {
    let refuse = |name, rule| Err(invalid(format!("{field}.{name}"), rule, Reason::FieldValue));
    let has_rate = limit.sustained_octets_per_s != 0;
    if !has_rate && limit.peak_octets_per_s == 0 {
        return refuse("sustained_octets_per_s", "a limit needs one rate at least");
    }
    if has_rate && limit.burst_octets < LEAST_BURST {
        return refuse("burst_octets", "must hold one packet of 1500 octets at least");
    }
    if !has_rate && limit.burst_octets != 0 {
        return refuse("burst_octets", "goes with sustained_octets_per_s only");
    }
    if limit.peak_octets_per_s == 0 && !limit.peak_tolerance.is_zero() {
        return refuse("peak_tolerance_us", "goes with peak_octets_per_s only");
    }
    Ok(())
}

fn is_nowhere(address: IpAddr) -> bool {
    let is_of_no_host = match address {
        // This network (RFC 1122 §3.2.1.3), and what is reserved, broadcast included (RFC 1112 §4).
        IpAddr::V4(v4) => matches!(v4.octets(), [0 | 240.., ..]),
        // Nothing says on which link a link-local one is.
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some() || v6.is_unicast_link_local(),
    };
    address.is_unspecified() || address.is_multicast() || is_of_no_host
}

fn is_listener(address: SocketAddr, policy: &Policy) -> bool {
    policy.listeners.iter().any(|listener| {
        listener.port() == address.port()
            && (listener.ip() == address.ip() || listener.ip().is_unspecified())
    })
}

/// Checks a controller's name for a call.
pub(crate) fn correlation(correlation: Option<&String>) -> Result<(), CommandError> {
    let fits = |text: &String| {
        (1..=128).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic())
    };
    if correlation.is_none_or(fits) {
        return Ok(());
    }
    let rule = "must be 1 to 128 visible ASCII characters";
    Err(invalid("correlation_id", rule, Reason::FieldValue))
}
