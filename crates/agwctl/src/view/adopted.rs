//! Contexts that were taken over.

use serde::Serialize;

/// The contexts that are the controller's now.
#[derive(Debug, Serialize)]
pub(crate) struct AdoptedView {
    pub(crate) context_ids: Vec<u32>,
}

impl AdoptedView {
    /// One a line.
    pub(crate) fn text(&self) -> String {
        let lines = self.context_ids.iter().map(|id| format!("context {id} is this controller's"));
        lines.collect::<Vec<_>>().join("\n")
    }
}
