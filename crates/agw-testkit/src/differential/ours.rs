//! The side of agw-srtp, with one of the engines.

use std::time::{Duration, Instant};

use agw_simd::{AnyEngine, AnyKeys};
use agw_srtp::{
    EgressKey, IngressKey, KeyError, MAX_TRAILER, MasterKey, Mki, ProtectError, Protector,
    RocOnRekey, UnprotectError, Unprotector,
};

use super::outcome::Protocol;
use super::scenario::Scenario;

/// A sender and a receiver.
pub(super) struct Ours {
    engine: AnyEngine,
    egress: Protector<AnyKeys>,
    ingress: Unprotector<AnyKeys>,
    now: Instant,
}

impl Ours {
    pub(super) fn new(engine: AnyEngine, scenario: &Scenario) -> Result<Self, KeyError> {
        let (parameters, roc) = (scenario.parameters(), scenario.initial_roc);
        let sends = vec![egress_key(scenario, 0, 0)?];
        let receives = ingress_keys(scenario, 0)?;
        Ok(Self {
            engine,
            egress: Protector::new(&engine, sends, parameters, roc)?,
            ingress: Unprotector::new(&engine, receives, parameters, roc)?,
            now: Instant::now(),
        })
    }

    pub(super) fn seal(
        &mut self,
        protocol: Protocol,
        plain: &[u8],
    ) -> Result<Vec<u8>, ProtectError> {
        let mut buffer = with_room(plain);
        let octets = match protocol {
            Protocol::Srtp => self.egress.protect_srtp(&self.engine, &mut buffer, plain.len()),
            Protocol::Srtcp => self.egress.protect_srtcp(&self.engine, &mut buffer, plain.len()),
        }?;
        buffer.truncate(octets);
        Ok(buffer)
    }

    pub(super) fn open(
        &mut self,
        protocol: Protocol,
        sealed: &[u8],
    ) -> Result<Vec<u8>, UnprotectError> {
        let mut buffer = with_room(sealed);
        let (octets, now) = (sealed.len(), self.now);
        let octets = match protocol {
            Protocol::Srtp => self.ingress.unprotect_srtp(&self.engine, &mut buffer, octets, now),
            Protocol::Srtcp => self.ingress.unprotect_srtcp(&self.engine, &mut buffer, octets, now),
        }?;
        buffer.truncate(octets);
        Ok(buffer)
    }

    pub(super) fn rekey(
        &mut self,
        scenario: &Scenario,
        generation: u8,
        key: usize,
    ) -> Result<(), KeyError> {
        self.select(scenario, generation, key)?;
        self.ingress.rekey(
            &self.engine,
            ingress_keys(scenario, generation)?,
            scenario.parameters(),
            RocOnRekey::Keep,
            Duration::ZERO,
            self.now,
        )?;
        Ok(())
    }

    pub(super) fn select(
        &mut self,
        scenario: &Scenario,
        generation: u8,
        key: usize,
    ) -> Result<(), KeyError> {
        let keys = vec![egress_key(scenario, generation, key)?];
        self.egress.rekey(&self.engine, keys, scenario.parameters(), RocOnRekey::Keep)?;
        Ok(())
    }
}

fn egress_key(scenario: &Scenario, generation: u8, key: usize) -> Result<EgressKey, KeyError> {
    let (master, mki) = key_with_identifier(scenario, generation, key)?;
    Ok(EgressKey { mki, ..EgressKey::new(master) })
}

fn ingress_keys(scenario: &Scenario, generation: u8) -> Result<Vec<IngressKey>, KeyError> {
    let key = |key| {
        let (master, mki) = key_with_identifier(scenario, generation, key)?;
        Ok(IngressKey { mki, ..IngressKey::new(master) })
    };
    (0..scenario.key_count()).map(key).collect()
}

fn key_with_identifier(
    scenario: &Scenario,
    generation: u8,
    key: usize,
) -> Result<(MasterKey, Option<Mki>), KeyError> {
    let (octets, mki) = scenario.key(generation, key);
    let master = MasterKey::from_concatenated(scenario.suite, &octets)?;
    let mki = if mki.is_empty() { None } else { Some(Mki::new(&mki)?) };
    Ok((master, mki))
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_TRAILER, 0xee);
    buffer
}
