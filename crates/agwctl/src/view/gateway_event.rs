//! Events about the gateway as a whole, and about what it ended itself.

use agw_iq::pb;
use serde::Serialize;

use super::{text, word};

/// What such an event says beyond its kind.
#[derive(Debug, Default, Serialize)]
pub(super) struct GatewayDetails {
    reason: Option<String>,
    h248_reason: Option<u32>,
    service_state: Option<String>,
    overload_level: Option<String>,
    overload_percent: Option<u32>,
    limit: Option<String>,
    keys: Option<Vec<String>>,
    days: Option<u32>,
    ended_streams: Option<usize>,
    ended_groups: Option<usize>,
}

impl From<&pb::DrainStarted> for GatewayDetails {
    fn from(drain: &pb::DrainStarted) -> Self {
        Self { reason: text(&drain.reason), ..Self::default() }
    }
}

impl From<&pb::ServiceChanged> for GatewayDetails {
    fn from(change: &pb::ServiceChanged) -> Self {
        Self {
            reason: text(&change.reason),
            h248_reason: Some(change.h248_reason),
            service_state: word(change.state().as_str_name(), "SERVICE_STATE_"),
            ..Self::default()
        }
    }
}

impl From<&pb::OverloadChanged> for GatewayDetails {
    fn from(change: &pb::OverloadChanged) -> Self {
        Self {
            overload_level: word(change.level().as_str_name(), "OVERLOAD_LEVEL_"),
            overload_percent: Some(change.overload_percent),
            limit: text(&change.limit),
            ..Self::default()
        }
    }
}

impl From<&pb::ContextEnded> for GatewayDetails {
    fn from(ended: &pb::ContextEnded) -> Self {
        let (streams, groups) = (ended.streams.len(), ended.groups.len());
        Self { ended_streams: Some(streams), ended_groups: Some(groups), ..Self::default() }
    }
}

impl From<&pb::CapabilitiesChanged> for GatewayDetails {
    fn from(change: &pb::CapabilitiesChanged) -> Self {
        Self { keys: Some(change.keys.clone()), ..Self::default() }
    }
}

impl From<&pb::CertificateExpires> for GatewayDetails {
    fn from(certificate: &pb::CertificateExpires) -> Self {
        Self { days: Some(certificate.days), ..Self::default() }
    }
}

impl GatewayDetails {
    /// All that is said, each word after a blank.
    pub(super) fn words(&self) -> String {
        let number =
            |number: Option<u32>, unit: &str| number.map(|number| format!("{number}{unit}"));
        let words = [
            self.service_state.clone(),
            self.overload_level.clone(),
            number(self.overload_percent, " %"),
            self.limit.clone(),
            self.keys.as_ref().map(|keys| keys.join(" ")),
            number(self.days, " days"),
            number(self.h248_reason, ""),
            self.reason.clone(),
        ];
        words.into_iter().flatten().map(|word| format!(" {word}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_the_gateway_says_all_it_knows_in_words() {
        let change = pb::ServiceChanged {
            state: pb::ServiceState::Locked.into(),
            h248_reason: 905,
            reason: "works".to_owned(),
        };
        assert_eq!(GatewayDetails::from(&change).words(), " locked 905 works");
        let change = pb::OverloadChanged {
            level: pb::OverloadLevel::Shedding.into(),
            overload_percent: 93,
            limit: "cpu".to_owned(),
        };
        assert_eq!(GatewayDetails::from(&change).words(), " shedding 93 % cpu");
    }
}
