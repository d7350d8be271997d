//! From one state of a context to the next: what the packet path must do.

use std::collections::{BTreeMap, BTreeSet};

use agw_relay::{Command as Step, EgressId, EgressSpec, IngressId, PortId};

use super::Transaction;
use super::step::leg_of;
use crate::model::Context;

impl Transaction<'_, '_> {
    /// From one state of a context to the next: removals, then specs, then keys.
    pub(super) fn difference(
        &mut self,
        before: Option<&Context>,
        after: Option<&Context>,
        keys: Vec<Step>,
    ) -> (Vec<Step>, Vec<PortId>) {
        let old = before.map(Context::specs).unwrap_or_default();
        let new = after.map(Context::specs).unwrap_or_default();
        let mut steps = Vec::new();
        for &leg in old.keys().filter(|leg| !new.contains_key(leg)) {
            steps.push(Step::RemoveIngress(IngressId(leg)));
            steps.push(Step::RemoveEgress(EgressId(leg)));
            self.gateway.forget_leg(leg, self.around.now);
        }
        for (leg, (ingress, egress)) in &new {
            let known = old.get(leg);
            if known.map(|(_, egress)| egress) != Some(egress) {
                steps.push(Step::SetEgress(EgressId(*leg), egress.clone()));
            }
            if known.map(|(ingress, _)| ingress) != Some(ingress) {
                steps.push(Step::SetIngress(IngressId(*leg), ingress.clone()));
            }
        }
        // A group's members come first: those that join are given its keys.
        let groups = self.difference_of_groups(before, after, &mut steps);
        let is_there = |leg: &u32| new.contains_key(leg) || groups.contains_key(leg);
        steps.extend(keys.into_iter().filter(|step| leg_of(step).as_ref().is_some_and(is_there)));
        steps.extend((before.is_some() && after.is_none()).then_some(Step::EndCall));
        (steps, self.release_ports(before, &new.into_keys().collect()))
    }

    /// From the groups of one state of a context to those of the next; tells the latter.
    fn difference_of_groups(
        &mut self,
        before: Option<&Context>,
        after: Option<&Context>,
        steps: &mut Vec<Step>,
    ) -> BTreeMap<u32, EgressSpec> {
        let old = before.map(Context::group_specs).unwrap_or_default();
        let new = after.map(Context::group_specs).unwrap_or_default();
        for &leg in old.keys().filter(|leg| !new.contains_key(leg)) {
            steps.push(Step::RemoveEgress(EgressId(leg)));
            self.gateway.forget_leg(leg, self.around.now);
        }
        for (leg, spec) in &new {
            if old.get(leg) != Some(spec) {
                steps.push(Step::SetEgress(EgressId(*leg), spec.clone()));
            }
        }
        new
    }

    //= tests/spec/relay.md#ports
    //# Reserving and releasing MUST NOT lose ports.
    fn release_ports(&mut self, before: Option<&Context>, kept: &BTreeSet<u32>) -> Vec<PortId> {
        let mut closed = Vec::new();
        for termination in before.iter().flat_map(|context| context.terminations.values()) {
            let gone = termination.streams.values().filter(|stream| !kept.contains(&stream.leg));
            for stream in gone {
                closed.push(stream.rtp_port);
                closed.extend(stream.rtcp_port);
                if let Some(realm) = self.gateway.realms.get_mut(termination.realm()) {
                    realm.release(termination.address(), stream.pair, self.around.now);
                }
            }
        }
        closed
    }
}
