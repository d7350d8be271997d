//! Which addresses of the realms can be used, looked at again whenever the kernel tells of a change.

use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use agw_net::{AddressChanges, HostAddresses, local_addresses};

use crate::config::Realm;
use crate::control::ControlClient;

/// How often is looked even if the kernel tells nothing: some changes it does not tell.
const EVERY: Duration = Duration::from_secs(1);

/// What the kernel says of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Availability {
    /// For each realm, for each of its addresses, whether it can be used.
    pub(crate) up: Vec<Vec<bool>>,
    /// Every address of this host.
    pub(crate) local: Vec<IpAddr>,
}

/// Looks which addresses can be used now; if the kernel does not tell, all of them.
pub(crate) fn availability(realms: &[Realm]) -> Availability {
    let host = HostAddresses::read().inspect_err(|error| warn!(%error, "addresses not read")).ok();
    let of_realm = |realm: &Realm| {
        let device = realm.device.as_deref();
        let usable =
            |address: &_| host.as_ref().is_none_or(|host| host.is_usable(*address, device));
        realm.addresses.iter().map(usable).collect()
    };
    let up = realms.iter().map(of_realm).collect();
    Availability { up, local: local_addresses().unwrap_or_default() }
}

/// Says what cannot be used at the start.
pub(crate) fn warn_of_missing(realms: &[Realm], availability: &Availability) {
    for (realm, up) in realms.iter().zip(&availability.up) {
        for (address, _) in realm.addresses.iter().zip(up).filter(|(_, is_up)| !**is_up) {
            let name = &realm.name;
            warn!(realm = name, %address, "address not there or its interface down: waiting for it");
        }
    }
}

/// Watches on a thread of its own and tells control what has changed, until `stop`.
///
/// # Errors
/// If the kernel does not tell of changes, or there is no thread.
pub(crate) fn watch(
    realms: Vec<Realm>,
    mut known: Availability,
    control: ControlClient,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut changes = AddressChanges::new()?;
    let watch = move || {
        while !stop.is_cancelled() {
            let found = availability(&realms);
            if found != known {
                tell(&realms, &known, &found);
                known.clone_from(&found);
                if control.tell_availability(found).is_err() {
                    return;
                }
            }
            if let Err(error) = changes.wait(EVERY) {
                error!(%error, "changes of addresses are not heard any more");
                return;
            }
        }
    };
    thread::Builder::new().name("agw-realms".to_owned()).spawn(watch).map(drop)
}

fn tell(realms: &[Realm], before: &Availability, after: &Availability) {
    for (realm, (before, after)) in realms.iter().zip(before.up.iter().zip(&after.up)) {
        let name = &realm.name;
        for (address, (before, after)) in realm.addresses.iter().zip(before.iter().zip(after)) {
            match (before, after) {
                (false, true) => info!(realm = name, %address, "address can be used"),
                (true, false) => warn!(realm = name, %address, "address cannot be used"),
                (true, true) | (false, false) => {}
            }
        }
    }
}
