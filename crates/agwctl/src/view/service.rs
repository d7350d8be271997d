//! Changes of service, and comparisons with a controller's list.

use agw_iq::pb;
use serde::Serialize;

use super::{GatewayView, text, word};
use crate::output::{dash, moment, table};

/// What a change of service came to.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceView {
    #[serde(flatten)]
    gateway: GatewayView,
    released_contexts: u64,
}

impl From<pb::ServiceChangeResponse> for ServiceView {
    fn from(changed: pb::ServiceChangeResponse) -> Self {
        let pb::ServiceChangeResponse { gateway, released_contexts } = changed;
        Self { gateway: gateway.unwrap_or_default().into(), released_contexts }
    }
}

impl ServiceView {
    /// In words.
    pub(crate) fn words(&self) -> String {
        let condition = self.gateway.condition();
        match self.released_contexts {
            0 => condition,
            released => format!("{condition}; contexts released: {released}"),
        }
    }
}

/// What only one of both knows.
#[derive(Debug, Serialize)]
pub(crate) struct DiffView {
    /// Contexts of the gateway.
    compared: u64,
    /// Contexts of the list.
    listed: usize,
    differences: Vec<DifferenceView>,
}

#[derive(Debug, Serialize)]
struct DifferenceView {
    context_id: u32,
    kind: Option<String>,
    correlation_id: Option<String>,
    created: Option<String>,
}

impl DiffView {
    pub(crate) fn new(
        differences: Vec<pb::ContextDifference>,
        compared: u64,
        listed: usize,
    ) -> Self {
        let view = |difference: pb::ContextDifference| DifferenceView {
            context_id: difference.context_id,
            kind: word(difference.kind().as_str_name(), "DIFFERENCE_KIND_"),
            correlation_id: text(&difference.correlation_id),
            created: difference.created.map(|created| created.to_string()),
        };
        Self { compared, listed, differences: differences.into_iter().map(view).collect() }
    }

    /// Whether both know the same.
    pub(crate) const fn is_empty(&self) -> bool {
        self.differences.is_empty()
    }

    /// As a table.
    pub(crate) fn tables(&self) -> String {
        if self.differences.is_empty() {
            return format!("no difference in {} contexts", self.compared);
        }
        let mut differences = table(&["context", "difference", "correlation", "created"], 4);
        for difference in &self.differences {
            differences.add_row([
                difference.context_id.to_string(),
                dash(difference.kind.as_ref().map(|kind| kind.replace('_', " "))),
                dash(difference.correlation_id.clone()),
                dash(difference.created.as_deref().map(moment)),
            ]);
        }
        differences.to_string()
    }
}
