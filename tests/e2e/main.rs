//! End-to-end tests: the real daemon, real sockets, a controller over gRPC. A file for each
//! behaviour.
#![forbid(unsafe_code)]

#[cfg(test)]
mod admission;
#[cfg(test)]
mod alg;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod comparing;
#[cfg(test)]
mod crowded;
mod deaf;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod events;
#[cfg(test)]
mod families;
#[cfg(test)]
mod far_end;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod growth;
#[cfg(test)]
mod icmp;
#[cfg(test)]
mod inactivity;
#[cfg(test)]
mod key_life;
#[cfg(test)]
mod key_use;
#[cfg(test)]
mod keystream;
#[cfg(test)]
mod latching;
#[cfg(test)]
mod late_choices;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod marking;
#[cfg(test)]
mod mtls;
#[cfg(test)]
mod mtu;
#[cfg(test)]
mod nat;
#[cfg(test)]
mod neglect;
#[cfg(test)]
mod ng;
#[cfg(test)]
mod policing;
#[cfg(test)]
mod pre_key;
#[cfg(test)]
mod quality;
#[cfg(test)]
mod realms;
#[cfg(test)]
mod rekey;
#[cfg(test)]
mod relatching;
#[cfg(test)]
mod release;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod renewals;
#[cfg(test)]
mod returns;
mod reuse;
#[cfg(test)]
mod rewriting;
#[cfg(test)]
mod rtcp;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod service_change;
#[cfg(test)]
mod source_filter;
#[cfg(test)]
mod staged;
mod supervision;
#[cfg(test)]
mod switching;
#[cfg(test)]
mod topology;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod transmit_guard;
#[cfg(test)]
mod transports;

#[cfg(test)]
use std::rc::Rc;

#[cfg(test)]
use agw_iq::pb;
#[cfg(test)]
use agw_testkit::peer;
#[cfg(test)]
use agw_tests::stage::Backend;
#[cfg(test)]
use agw_tests::{Gateway, Side, Stage, stage};

/// The stage, for a test that needs network namespaces, with the backend of the run; `None` was
/// told as a skip.
#[cfg(test)]
fn on_stage() -> Option<Rc<Stage>> {
    let xdp: &[Side] = match stage::backend() {
        Backend::Sockets => &[],
        Backend::Xdp => &Side::ALL,
    };
    let stage = stage::cast(xdp);
    if stage.is_none() {
        peer::skip("root");
    }
    stage
}

/// A context as audited, with its counters.
#[cfg(test)]
fn audited(gateway: &Gateway, context_id: u32) -> pb::ContextInfo {
    let contexts = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
    contexts.into_iter().find(|one| one.context_id == context_id).expect("the context")
}
