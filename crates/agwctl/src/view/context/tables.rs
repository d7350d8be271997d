//! Contexts as tables.

use super::*;

impl ContextsView {
    /// As a table.
    pub(crate) fn tables(&self) -> String {
        let headings =
            ["context", "correlation", "controller", "created", "terminations", "streams"];
        let mut contexts = table(&headings, 4);
        for context in &self.contexts {
            let streams: usize = context.terminations.iter().map(|one| one.streams.len()).sum();
            contexts.add_row([
                context.context_id.to_string(),
                dash(context.correlation_id.clone()),
                context.controller.clone(),
                dash(context.created.as_deref().map(moment)),
                context.terminations.len().to_string(),
                streams.to_string(),
            ]);
        }
        if self.contexts.is_empty() { "no contexts".to_owned() } else { contexts.to_string() }
    }
}

impl ContextView {
    /// As tables: facts, then one table for each stream.
    pub(crate) fn tables(&self) -> String {
        let associations: Vec<String> =
            self.associations.iter().map(AssociationView::words).collect();
        let topology = Some(associations.join(", ")).filter(|words| !words.is_empty());
        let facts = facts([
            ("context", self.context_id.to_string()),
            ("correlation", dash(self.correlation_id.clone())),
            ("controller", self.controller.clone()),
            ("created", dash(self.created.as_deref().map(moment))),
            ("orphaned", dash(self.orphaned.as_deref().map(moment))),
            ("priority", dash(self.priority.clone())),
            ("generation", self.generation.to_string()),
            ("topology", dash(topology)),
        ]);
        let streams = self.terminations.iter().flat_map(|termination| {
            termination.streams.iter().map(|stream| stream.table(termination))
        });
        let groups = self.groups.iter().map(GroupView::table);
        std::iter::once(facts.to_string())
            .chain(groups)
            .chain(streams)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl StreamView {
    fn table(&self, termination: &TerminationView) -> String {
        let key = |key: &Option<KeyView>| dash(key.as_ref().map(KeyView::words));
        let pair = |pair: &PairView| {
            format!("{}, RTCP {}", dash(pair.rtp.clone()), dash(pair.rtcp.clone()))
        };
        let source = self.source.as_ref().map(|source| match source.within_ms {
            None => dash(source.rule.clone()),
            Some(within) => format!("{} within {within} ms", dash(source.rule.clone())),
        });
        let filter = self.source_filter.as_ref().map(FilterView::words);
        let listens = match filter {
            None => dash(source),
            Some(filter) => format!("{}, {filter}", dash(source)),
        };
        let dscp = self.dscp.as_ref().map(|dscp| match dscp.code_point {
            None => dash(dscp.rule.clone()),
            Some(code_point) => format!("{} {code_point}", dash(dscp.rule.clone())),
        });
        let rtcp = match self.rtcp_gate.as_deref() {
            None | Some("unless_inactive") => dash(self.rtcp.clone()),
            Some(gate) => format!("{}, gate {gate}", dash(self.rtcp.clone())),
        };
        let TerminationView { termination_id, realm, .. } = termination;
        let facts = facts([
            ("termination", format!("{termination_id} in realm {realm}")),
            ("stream", format!("{}, {}", self.stream_id, dash(self.media.clone()))),
            ("member of", dash(self.group_id.map(|group| format!("group {group}")))),
            ("transport", dash(self.transport.clone())),
            ("mode", dash(self.mode.clone())),
            ("RTCP", rtcp),
            ("limits", self.limits()),
            ("listens to", listens),
            ("marked", format!("DSCP {}, ECN {}", dash(dscp), dash(self.ecn.clone()))),
            ("local", pair(&self.local)),
            ("remote", pair(&self.remote)),
            ("ingress key", key(&self.ingress_key)),
            ("egress key", key(&self.egress_key)),
        ]);
        match &self.statistics {
            None => facts.to_string(),
            Some(statistics) => format!("{facts}\n{}", statistics.table()),
        }
    }

    /// `termination/stream`.
    pub(crate) fn name(&self, termination: &TerminationView) -> String {
        format!("{}/{} {}", termination.termination_id, self.stream_id, termination.realm)
    }
}
