//! The `xdp` backend on its way from configuration to the workers: opened before anything else,
//! while the process has its privileges.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tracing::{info, warn};

use agw_net::{
    AttachMode, BusyPoll, Capability, XdpGroup, XdpInterface, XdpMode, XdpOptions, XdpRealm,
    XdpWorker,
};

use crate::config::{Choice, Config, Fallback, Host, Mode, Realm, RealmBackend};

/// Packets that one busy poll may take from a device.
const BUSY_POLL_BUDGET: u16 = 64;

/// How the realms' packets are carried.
pub(crate) struct Carriers {
    /// The realms, with the backend that each one got.
    pub(crate) realms: Vec<Realm>,
    /// Worker threads to start.
    pub(crate) workers: usize,
    /// One share for each worker; empty if no realm has the `xdp` backend.
    pub(crate) shares: Vec<XdpWorker>,
    /// What was got of each device.
    pub(crate) interfaces: Vec<XdpInterface>,
}

/// Why a realm's device cannot be had.
#[derive(Debug, Error)]
#[error("xdp on {devices} (mode {mode}, zero-copy {zero_copy}): {source}{missing}")]
pub struct XdpError {
    devices: String,
    mode: &'static str,
    zero_copy: &'static str,
    pub(crate) source: io::Error,
    missing: String,
}

impl Carriers {
    /// Opens what the realms ask for; with `media.xdp.fallback = "sockets"`, sockets in its place.
    ///
    /// # Errors
    /// [`XdpError`]; nothing stays open then.
    pub(crate) fn open(config: &Config, host: &Host) -> Result<Self, XdpError> {
        let workers = config.worker_count(host);
        let mut realms = config.realm.clone();
        let wanted = options(config);
        if wanted.realms.is_empty() {
            return Ok(Self { realms, workers, shares: Vec::new(), interfaces: Vec::new() });
        }
        let xdp_workers = worker_count(config, &wanted, workers);
        // What is refused for want of it says so.
        let _ = agw_net::raise_locked_memory_limit();
        match XdpGroup::open(&wanted, xdp_workers) {
            Ok(XdpGroup { workers: shares, interfaces }) => {
                for interface in &interfaces {
                    info!(workers = xdp_workers, "xdp on {interface}");
                }
                Ok(Self { realms, workers: xdp_workers, shares, interfaces })
            }
            Err(source) => {
                let error = XdpError::new(config, &wanted, source);
                if config.media.xdp.fallback == Fallback::None {
                    return Err(error);
                }
                warn!(%error, "SOCKETS IN PLACE OF XDP, as media.xdp.fallback says");
                for realm in &mut realms {
                    realm.backend = RealmBackend::Sockets;
                }
                Ok(Self { realms, workers, shares: Vec::new(), interfaces: Vec::new() })
            }
        }
    }
}

impl XdpError {
    fn new(config: &Config, wanted: &XdpOptions, source: io::Error) -> Self {
        let mut devices: Vec<_> = wanted.realms.iter().map(|realm| realm.device.as_str()).collect();
        devices.dedup();
        let missing = match agw_net::missing_capabilities() {
            Ok(missing) if !missing.is_empty() => {
                let names: Vec<_> = missing.into_iter().map(Capability::name).collect();
                format!("; this process does not have {}", names.join(", "))
            }
            Ok(_) | Err(_) => String::new(),
        };
        Self {
            devices: devices.join(", "),
            mode: config.media.xdp.mode.name(),
            zero_copy: config.media.xdp.zero_copy.name(),
            source,
            missing,
        }
    }
}

/// The options of the realms that ask for the `xdp` backend.
fn options(config: &Config) -> XdpOptions {
    let xdp = &config.media.xdp;
    let of_xdp = config.realm.iter().filter(|realm| realm.backend == RealmBackend::Xdp);
    let realms = of_xdp.flat_map(|realm| {
        let device = realm.device.clone().unwrap_or_default();
        realm.addresses.iter().map(move |&address| XdpRealm {
            device: device.clone(),
            address,
            ports: realm.ports.all(),
        })
    });
    let busy_poll = (xdp.busy_poll_us > 0).then(|| BusyPoll {
        time: Duration::from_micros(xdp.busy_poll_us),
        budget: BUSY_POLL_BUDGET,
    });
    XdpOptions {
        realms: realms.collect(),
        attach: match xdp.mode {
            Mode::Auto => AttachMode::Auto,
            Mode::Native => AttachMode::Native,
            Mode::Generic => AttachMode::Generic,
        },
        mode: match xdp.zero_copy {
            Choice::Auto => XdpMode::Auto,
            Choice::On => XdpMode::ZeroCopy,
            Choice::Off => XdpMode::Copy,
        },
        ring: xdp.frames,
        busy_poll,
    }
}

/// As many as configured; if that is left open, no more than the devices have queues.
fn worker_count(config: &Config, wanted: &XdpOptions, workers: usize) -> usize {
    if config.media.workers > 0 {
        return workers;
    }
    // A device that cannot be asked is refused with its reason when it is opened.
    let most = wanted.realms.iter().filter_map(|realm| XdpGroup::most_workers(&realm.device).ok());
    most.fold(workers, usize::min).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(fallback: Fallback) -> Config {
        let mut config = Config::default();
        config.media.workers = 2;
        config.media.xdp.fallback = fallback;
        for realm in &mut config.realm {
            realm.backend = RealmBackend::Xdp;
            realm.device = Some("agw-nowhere".to_owned());
        }
        config
    }

    #[test]
    fn without_an_xdp_realm_nothing_is_opened() {
        let mut config = Config::default();
        config.media.workers = 3;
        let carriers = Carriers::open(&config, &Host::this()).expect("sockets");
        assert_eq!((carriers.workers, carriers.shares.len()), (3, 0));
        assert_eq!(carriers.realms, config.realm);
    }

    #[test]
    fn a_device_that_is_not_there_is_named_with_the_mode() {
        let error = Carriers::open(&config(Fallback::None), &Host::this()).err();
        let text = error.expect("no such device").to_string();
        assert!(text.starts_with("xdp on agw-nowhere (mode auto, zero-copy auto): "), "{text}");
    }

    #[test]
    fn the_fallback_is_sockets_for_every_realm() {
        let carriers = Carriers::open(&config(Fallback::Sockets), &Host::this()).expect("sockets");
        assert!(carriers.realms.iter().all(|realm| realm.backend == RealmBackend::Sockets));
        assert!(carriers.shares.is_empty());
    }

    #[test]
    fn every_address_of_an_xdp_realm_is_taken_over_with_the_ports_of_the_realm() {
        let mut config = config(Fallback::None);
        config.realm.truncate(2);
        if let Some(core) = config.realm.last_mut() {
            core.backend = RealmBackend::Sockets;
        }
        config.media.xdp.busy_poll_us = 50;
        config.media.xdp.zero_copy = Choice::Off;
        let options = options(&config);
        let taken: Vec<_> =
            options.realms.iter().map(|realm| (realm.address.is_ipv4(), &realm.ports)).collect();
        assert_eq!(taken, [(true, &(40_000..=44_999)), (false, &(40_000..=44_999))]);
        assert_eq!(options.mode, XdpMode::Copy);
        assert_eq!(options.busy_poll.map(|poll| poll.time), Some(Duration::from_micros(50)));
    }
}
