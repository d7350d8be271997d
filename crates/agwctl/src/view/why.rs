//! Why a call is silent.

use agw_iq::pb;
use serde::Serialize;

use crate::diagnosis::{self, Finding, Leg};

/// A call with what is wrong at each of its legs.
#[derive(Debug, Serialize)]
pub(crate) struct WhyView {
    context_id: u32,
    correlation_id: Option<String>,
    legs: Vec<LegView>,
}

#[derive(Debug, Serialize)]
struct LegView {
    termination_id: u32,
    stream_id: u32,
    realm: String,
    findings: Vec<FindingView>,
}

#[derive(Debug, Serialize)]
struct FindingView {
    cause: &'static str,
    text: String,
}

impl WhyView {
    /// Of a call that was looked at twice.
    pub(crate) fn of(before: &pb::ContextInfo, context: &pb::ContextInfo) -> Self {
        let finding = |Finding { cause, text }| FindingView { cause, text };
        let leg = |Leg { termination, realm, stream, findings }| LegView {
            termination_id: termination,
            stream_id: stream,
            realm,
            findings: findings.into_iter().map(finding).collect(),
        };
        Self {
            context_id: context.context_id,
            correlation_id: super::text(&context.correlation_id),
            legs: diagnosis::examine(before, context).into_iter().map(leg).collect(),
        }
    }

    /// A paragraph for each leg.
    pub(crate) fn paragraphs(&self) -> String {
        let mut lines = vec![match &self.correlation_id {
            Some(correlation) => format!("context {}, {correlation}", self.context_id),
            None => format!("context {}", self.context_id),
        }];
        for leg in &self.legs {
            let LegView { termination_id, stream_id, realm, findings } = leg;
            lines.push(format!("\ntermination {termination_id} ({realm}), stream {stream_id}:"));
            if findings.is_empty() {
                lines.push("  media passes".to_owned());
            }
            lines.extend(findings.iter().map(|finding| format!("  - {}", finding.text)));
        }
        lines.join("\n")
    }
}
