//! Steps of the packet path.

use agw_relay::Command as Step;

/// The leg that a change of keys is for.
pub(super) fn leg_of(step: &Step) -> Option<u32> {
    match step {
        Step::IngressCrypto(id, _) => Some(id.0),
        Step::EgressCrypto(id, _) | Step::GroupIngressCrypto(id, _) => Some(id.0),
        Step::SetIngress(..)
        | Step::RemoveIngress(_)
        | Step::SetEgress(..)
        | Step::RemoveEgress(_)
        | Step::Follow(..)
        | Step::EndCall => None,
    }
}
