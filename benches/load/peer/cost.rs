//! What a packet costs, soft interrupts included.
//!
//! The hop from the generator to the gateway is received on the sender's core, in a soft interrupt
//! that no process of the gateway is charged with, and the hop from the gateway to the sink inside
//! the gateway's own sends. With the gateway alone on one core:
//!
//! - **gross** is all that the packet costs beyond the generator's own work: what the gateway's
//!   core did, and the soft interrupts of all other cores.
//! - **net** leaves out what belongs to the sink: the soft interrupts of the gateway's core.

use crate::result::{CoreUse, Phase};

/// Nanoseconds a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    /// With the delivery to the sink.
    pub(crate) gross_ns: f64,
    /// Without.
    pub(crate) net_ns: f64,
}

/// The cost of a packet with the gateway on `core`; `None` if that core or any packet is missing.
pub(crate) fn cost(phase: &Phase, core: usize) -> Option<Cost> {
    let packets = phase.ledger.delivered as f64;
    let (own, others): (Vec<&CoreUse>, _) =
        phase.cores.iter().partition(|use_of| use_of.core == core);
    let own = own.first().filter(|_| packets > 0.0)?;
    // The kernel's books of a process are exact, those of a core are sampled. The core's say more
    // when soft interrupts were put off to a thread of the kernel.
    let sampled = own.user_seconds + own.system_seconds + own.softirq_seconds;
    let busy = sampled.max(phase.gateway.cpu_seconds);
    let received: f64 = others.iter().map(|other| other.softirq_seconds).sum();
    let a_packet = |seconds: f64| seconds * 1e9 / packets;
    Some(Cost {
        gross_ns: a_packet(busy + received),
        net_ns: a_packet(busy - own.softirq_seconds + received),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{Ledger, ProcessUse};

    fn phase(cpu_seconds: f64) -> Phase {
        let core = |core, user_seconds, system_seconds, softirq_seconds| CoreUse {
            core,
            user_seconds,
            system_seconds,
            softirq_seconds,
            idle_seconds: 0.0,
        };
        Phase {
            ledger: Ledger { delivered: 1_000_000, ..Ledger::default() },
            gateway: ProcessUse { cpu_seconds, ..ProcessUse::default() },
            cores: vec![core(0, 9.0, 9.0, 0.5), core(1, 1.0, 2.0, 1.0)],
            ..Phase::default()
        }
    }

    #[test]
    fn the_generators_own_work_is_left_out_and_its_soft_interrupts_are_not() {
        let cost = cost(&phase(0.0), 1).unwrap();
        assert_eq!(cost, Cost { gross_ns: 4_500.0, net_ns: 3_500.0 });
    }

    #[test]
    fn the_process_counts_when_the_sampled_core_shows_less() {
        let cost = cost(&phase(5.0), 1).unwrap();
        assert_eq!(cost, Cost { gross_ns: 5_500.0, net_ns: 4_500.0 });
    }

    #[test]
    fn nothing_costs_nothing_known() {
        assert_eq!(cost(&Phase { cores: phase(1.0).cores, ..Phase::default() }, 1), None);
        assert_eq!(cost(&phase(1.0), 7), None);
    }
}
