//! What a packet costs, with what the kernel does for it beside the gateway's threads.
//!
//! - **gross** is all that a packet costs beyond the generator's own work, to its delivery into the
//!   sink's socket.
//! - **net** leaves out what belongs to the sink.
//!
//! Between network namespaces the kernel works on arriving packets in threads of each interface, and
//! both figures are exact. On the loopback there are no such threads: the hop from the generator to
//! the gateway is a soft interrupt on the generator's core, and the hop to the sink one within the
//! gateway's own sends. With the gateway alone on one core, the soft interrupts of the other cores
//! are for the gateway, and those of its own core for the sink.

use crate::account::NAPI_THREADS;
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
    if phase.softirq_source == NAPI_THREADS {
        return Some(Cost {
            gross_ns: phase.cpu_gross_per_million * 1_000.0,
            net_ns: phase.cpu_with_softirq_per_million * 1_000.0,
        });
    }
    let packets = phase.ledger.delivered as f64;
    let (own, others): (Vec<&CoreUse>, _) =
        phase.cores.iter().partition(|use_of| use_of.core == core);
    let own = own.first().filter(|_| packets > 0.0)?;
    // Both exact; what a core's other columns say is sampled, and is everybody's.
    let busy = phase.gateway.cpu_seconds + own.softirq_thread_seconds;
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

    fn phase(put_off: f64) -> Phase {
        let generator = CoreUse {
            core: 0,
            user_seconds: 9.0,
            system_seconds: 9.0,
            softirq_seconds: 0.5,
            ..CoreUse::default()
        };
        let gateway = CoreUse {
            core: 1,
            softirq_seconds: 1.0 + put_off,
            softirq_thread_seconds: put_off,
            ..CoreUse::default()
        };
        Phase {
            ledger: Ledger { delivered: 1_000_000, ..Ledger::default() },
            gateway: ProcessUse { cpu_seconds: 4.0, ..ProcessUse::default() },
            cores: vec![generator, gateway],
            ..Phase::default()
        }
    }

    #[test]
    fn the_generators_own_work_is_left_out_and_its_soft_interrupts_are_not() {
        let cost = cost(&phase(0.0), 1).unwrap();
        assert_eq!(cost, Cost { gross_ns: 4_500.0, net_ns: 3_500.0 });
    }

    #[test]
    fn what_the_kernel_put_off_is_part_of_the_price_and_belongs_to_the_sink() {
        let cost = cost(&phase(2.0), 1).unwrap();
        assert_eq!(cost, Cost { gross_ns: 6_500.0, net_ns: 3_500.0 });
    }

    #[test]
    fn threads_of_the_kernel_tell_it_exactly() {
        let phase = Phase {
            softirq_source: NAPI_THREADS.to_owned(),
            cpu_with_softirq_per_million: 1.5,
            cpu_gross_per_million: 2.25,
            ..phase(0.0)
        };
        assert_eq!(cost(&phase, 1), Some(Cost { gross_ns: 2_250.0, net_ns: 1_500.0 }));
    }

    #[test]
    fn nothing_costs_nothing_known() {
        assert_eq!(cost(&Phase { cores: phase(1.0).cores, ..Phase::default() }, 1), None);
        assert_eq!(cost(&phase(1.0), 7), None);
    }
}
