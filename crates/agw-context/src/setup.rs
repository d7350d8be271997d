//! Whether what the operator configured can be a gateway.

use std::net::IpAddr;

use thiserror::Error;

use crate::realm::RealmConfig;

/// Why a gateway cannot be set up: the operator must correct the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetupError {
    /// There is no realm.
    #[error("at least one realm is needed")]
    NoRealm,
    /// Two realms have the same name.
    #[error("realm {0:?} is configured twice")]
    TwiceNamed(String),
    /// A realm has no address.
    #[error("realm {0:?} has no address")]
    NoAddress(String),
    /// A realm has two addresses of one family.
    #[error("realm {0:?} has two addresses of the same family")]
    FamilyTwice(String),
    /// A realm's range holds no pair of ports.
    #[error("the ports of realm {0:?} hold no even port with the odd one after it")]
    NoPorts(String),
    /// A realm's DSCP is above 63.
    #[error("the DSCP of realm {0:?} is above 63")]
    Dscp(String),
    /// Two realms are the default one.
    #[error("realms {0:?} and {1:?} are both the default realm")]
    TwoDefaults(String, String),
    /// Two realms would give out the same ports of the same address.
    #[error("realms {0:?} and {1:?} share ports of the same address")]
    SharedPorts(String, String),
}

/// Whether the realms fit together.
pub(crate) fn check_realms(realms: &[RealmConfig]) -> Result<(), SetupError> {
    if realms.is_empty() {
        return Err(SetupError::NoRealm);
    }
    for (position, realm) in realms.iter().enumerate() {
        let name = || realm.name.clone();
        let mut families: Vec<bool> = realm.addresses.iter().map(|a| a.bind.is_ipv4()).collect();
        families.sort_unstable();
        if families.is_empty() {
            return Err(SetupError::NoAddress(name()));
        }
        if families.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(SetupError::FamilyTwice(name()));
        }
        let first_even = u32::from(*realm.ports.start()).next_multiple_of(2).max(2);
        if first_even + 1 > u32::from(*realm.ports.end()) {
            return Err(SetupError::NoPorts(name()));
        }
        if realm.dscp.is_some_and(|dscp| dscp > 63) {
            return Err(SetupError::Dscp(name()));
        }
        for other in realms.iter().take(position) {
            if other.name == realm.name {
                return Err(SetupError::TwiceNamed(name()));
            }
            if other.is_default && realm.is_default {
                return Err(SetupError::TwoDefaults(other.name.clone(), name()));
            }
            if share_ports(other, realm) {
                return Err(SetupError::SharedPorts(other.name.clone(), name()));
            }
        }
    }
    Ok(())
}

fn share_ports(a: &RealmConfig, b: &RealmConfig) -> bool {
    let same_address = |a: IpAddr, b: IpAddr| {
        a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
    };
    let addresses =
        a.addresses.iter().any(|a| b.addresses.iter().any(|b| same_address(a.bind, b.bind)));
    addresses && a.ports.start() <= b.ports.end() && b.ports.start() <= a.ports.end()
}
