//! The gateway's load: the highest of everything that can run out, each of its limit.

use std::time::{Instant, SystemTime};

use agw_context::{EventKind, OverloadLevel, Resource, ServiceState};

use super::Control;
use super::gate::{Closed, Gate};
use crate::overload::Measured;

/// Limits of what is measured; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LoadLimits {
    /// Packets received in a second.
    pub(crate) packet_rate: u64,
    /// The share of its time in which the busiest worker has work, in percent.
    pub(crate) cpu_percent: u8,
    /// What may be in use of the memory, in percent.
    pub(crate) memory_percent: u8,
}

/// The load as it was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) percent: u8,
    pub(super) limit: Resource,
    pub(super) level: OverloadLevel,
}

impl Default for Load {
    fn default() -> Self {
        Self { percent: 0, limit: Resource::Contexts, level: OverloadLevel::Normal }
    }
}

impl LoadLimits {
    /// What was measured, each in percent of its limit.
    fn loads(&self, measured: Measured) -> [(u8, Resource); 3] {
        let Measured { packet_rate, cpu_percent, memory_percent } = measured;
        [
            (of_limit(packet_rate, self.packet_rate), Resource::PacketRate),
            (of_limit(cpu_percent.into(), self.cpu_percent.into()), Resource::Cpu),
            (of_limit(memory_percent.into(), self.memory_percent.into()), Resource::Memory),
        ]
    }
}

/// A value in percent of its limit, at most 100; a limit of 0 is none.
fn of_limit(value: u64, limit: u64) -> u8 {
    let percent = value.saturating_mul(100).checked_div(limit).unwrap_or_default();
    u8::try_from(percent.min(100)).unwrap_or(100)
}

impl Control {
    /// Weighs everything, tells another level of load as an event, and says at the gate who gets in.
    pub(super) fn take_stock(&mut self) {
        let measured = self.limits.loads(self.measured);
        let port_load = self.gateway.port_load(Instant::now());
        self.out_of_ports = port_load >= 100;
        let others = [
            (self.gateway.overload(), Resource::Contexts),
            (port_load, Resource::Ports),
            (self.ports.load(), Resource::Descriptors),
        ];
        let all = others.into_iter().chain(measured);
        // The first of equals, so that an idle gateway names what is counted in calls.
        let (percent, limit) =
            all.rev().max_by_key(|(percent, _)| *percent).unwrap_or((0, Resource::Contexts));
        let reserve = self.gateway.policy().admission.reserve_percent;
        let level = self.load.level.next(percent, reserve);
        if level != self.load.level {
            let kind = EventKind::OverloadChanged { level, percent, limit };
            self.gateway.tell_event(SystemTime::now(), None, kind);
            self.owners.note(&self.gateway, None);
        }
        self.load = Load { percent, limit, level };
        let gate = self.gate(&measured);
        if **self.gate.load() != gate {
            self.gate.store(gate.into());
        }
    }

    /// Who gets in: ports are told by realm, and all else is the gateway's as a whole.
    fn gate(&self, measured: &[(u8, Resource); 3]) -> Gate {
        let rooms = self.gateway.realm_rooms().collect();
        let closed = match self.gateway.service_state() {
            ServiceState::InService => None,
            ServiceState::Draining => Some(Closed::Draining),
            ServiceState::Locked => Some(Closed::Locked),
        };
        let admission = &self.gateway.policy().admission;
        let most = self.gateway.policy().max_contexts;
        let contexts = self.gateway.context_count();
        let full = |most| (contexts >= most).then_some(Closed::Exhausted(Resource::Contexts));
        let above = |limit: u8| {
            let found = measured.iter().find(|(percent, _)| *percent >= limit);
            found.map(|&(_, what)| Closed::Exhausted(what))
        };
        let open = 100 - admission.reserve_percent.min(50);
        Gate {
            normal: closed.or(full(admission.open_to_normal(most))).or(above(open)),
            preferred: closed.or(full(most)).or(above(100)),
            rooms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_told_of_its_limit_and_without_one_not_at_all() {
        let measured = Measured { packet_rate: 450, cpu_percent: 45, memory_percent: 90 };
        let limits = LoadLimits { packet_rate: 900, cpu_percent: 90, memory_percent: 85 };
        assert_eq!(limits.loads(measured).map(|(percent, _)| percent), [50, 50, 100]);
        let none = LoadLimits::default();
        assert_eq!(none.loads(measured).map(|(percent, _)| percent), [0, 0, 0]);
    }
}
