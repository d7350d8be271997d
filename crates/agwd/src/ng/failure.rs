//! From what the gateway refuses to the words that controllers of ng know.

use agw_context::{CommandError, Refused, Resource};
use agw_iq::alg::AlgFailure;
use agw_iq::backend::TransactError;
use agw_ng::{Overload, Refusal};
use agw_sdp::AlgError;

/// The refusal of a request that failed.
pub(super) fn refusal(failure: &AlgFailure) -> Refusal {
    if let Some(overload) = overload(failure) {
        return Refusal::Overload(overload);
    }
    match failure {
        AlgFailure::Signalling(AlgError::UnknownCall) => Refusal::UnknownCall,
        AlgFailure::Signalling(_)
        | AlgFailure::Gateway(_)
        | AlgFailure::Busy
        | AlgFailure::Fields(_) => Refusal::Other(failure.to_string()),
    }
}

/// What has run out, if another gateway might have it.
fn overload(failure: &AlgFailure) -> Option<Overload> {
    let error = match failure {
        AlgFailure::Busy | AlgFailure::Gateway(TransactError::Unavailable(_)) => {
            return Some(Overload::Load);
        }
        AlgFailure::Signalling(AlgError::TooManyCalls { .. }) => return Some(Overload::Sessions),
        AlgFailure::Signalling(_)
        | AlgFailure::Fields(_)
        | AlgFailure::Gateway(TransactError::Failed { .. }) => return None,
        AlgFailure::Gateway(TransactError::Refused(Refused { command: _, error })) => error,
    };
    if let Some(what) = error.limit() {
        return run_out(what);
    }
    match error {
        CommandError::Draining | CommandError::Locked => Some(Overload::Sessions),
        CommandError::RealmUnavailable(_) => Some(Overload::Load),
        CommandError::PortRefused { .. } => Some(Overload::Ports),
        CommandError::UnknownContext(_)
        | CommandError::UnknownTermination(..)
        | CommandError::UnknownStream { .. }
        | CommandError::UnknownGroup(_)
        | CommandError::UnknownRealm(_)
        | CommandError::Invalid { .. }
        | CommandError::Key { .. }
        | CommandError::SuiteRefused { .. }
        | CommandError::KeyReuse { .. }
        | CommandError::KeyReturns { .. }
        | CommandError::NothingStaged { .. }
        | CommandError::OtherGeneration { .. }
        | CommandError::Exhausted { .. }
        | CommandError::NotOrphaned(_)
        | CommandError::AdoptionRefused(_) => None,
    }
}

//= tests/spec/ng.md#overload
//# Want of calls, ports, processor, bandwidth or anything else MUST be told in the words on which controllers go elsewhere.
//= tests/spec/ng.md#overload
//# What one call has too much of MUST be told in words on which no controller goes elsewhere.
pub(super) const fn run_out(what: Resource) -> Option<Overload> {
    Some(match what {
        Resource::Terminations | Resource::Members => return None,
        Resource::Contexts | Resource::Streams | Resource::ControllerContexts => Overload::Sessions,
        Resource::Ports | Resource::Descriptors | Resource::ControllerPorts => Overload::Ports,
        Resource::PacketRate => Overload::Bandwidth,
        Resource::Cpu => Overload::Cpu,
        Resource::Memory | Resource::Requests | Resource::Subscriptions => Overload::Load,
    })
}
