//! How calls come to stand.

use agw_tests::{Endpoint, Gateway, Side};

use crate::book::Flow;
use crate::media::{Voice, key};

#[test]
fn originating_e2ae() {
    let gateway = Gateway::start();
    let (k11, k12) = (key(), key());
    let mut ue_a = Endpoint::secured(Side::Access.peer(), &k11, &k12);
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut flow = Flow::open(&gateway, "Originating e2ae");
    flow.side("ue_a", &ue_a);
    let [to_access, to_core] = flow.reserve(["access", "core"]);
    ue_a.attach(&to_access);
    core.attach(&to_core);

    let mut voice = Voice::default();
    voice.is_dropped(&gateway, &mut ue_a, "ingress_gate", 1);
    flow.side("core", &core);
    flow.key("K11", &k11);
    flow.key("K12", &k12);
    let _ = flow.play();

    voice.both_ways(&mut ue_a, &mut core);
    voice.reports(&mut ue_a, &mut core);
    voice.reports(&mut core, &mut ue_a);
    flow.close();
}

#[test]
fn terminating_e2ae() {
    let gateway = Gateway::start();
    let (k21, not_chosen, k22) = (key(), key(), key());
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut ue_b = Endpoint::secured(Side::Access.peer(), &k22, &k21);
    let mut flow = Flow::open(&gateway, "Terminating e2ae");
    flow.side("core", &core);
    let [to_core, to_access] = flow.reserve(["core", "access"]);
    core.attach(&to_core);
    ue_b.attach(&to_access);
    flow.side("ue_b", &ue_b);
    flow.key("K21", &k21);
    flow.key("K22", &k22);
    let _ = flow.play();

    let mut voice = Voice::default();
    voice.both_ways(&mut ue_b, &mut core);
    // The key of the line that was not chosen opens nothing and seals nothing.
    let packet = voice.packet(0xA1);
    let mut other = Endpoint::secured(Side::Access.peer(), &not_chosen, &k21);
    other.attach(&to_access);
    other.send(&packet);
    let _ = gateway.ledger().after_drops("authentication", 1);
    voice.both_ways(&mut ue_b, &mut core);
    flow.close();
}

#[test]
fn early_media() {
    let gateway = Gateway::start();
    let (k11, k12) = (key(), key());
    let mut ue_a = Endpoint::secured(Side::Access.peer(), &k11, &k12);
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut flow = Flow::open(&gateway, "Early media");
    flow.side("ue_a", &ue_a);
    let [to_access, to_core] = flow.reserve(["access", "core"]);
    ue_a.attach(&to_access);
    core.attach(&to_core);
    flow.side("core", &core);
    flow.key("K11", &k11);
    flow.key("K12", &k12);
    let _ = flow.play();

    let mut voice = Voice::default();
    voice.passes(&mut core, &mut ue_a, 0xB1);
    voice.is_dropped(&gateway, &mut ue_a, "ingress_gate", 1);
    let _ = flow.play();

    voice.both_ways(&mut ue_a, &mut core);
    assert!(ue_a.is_silent() && core.is_silent());
    flow.close();
}

#[test]
fn forking() {
    let gateway = Gateway::start();
    let (k11, k12) = (key(), key());
    let mut ue_a = Endpoint::secured(Side::Access.peer(), &k11, &k12);
    let mut first = Endpoint::plain(Side::Core.peer());
    let mut second = Endpoint::plain(Side::Core.peer());
    let mut flow = Flow::open(&gateway, "Forking");
    flow.side("ue_a", &ue_a);
    let [to_access, to_first] = flow.reserve(["access", "first"]);
    ue_a.attach(&to_access);
    first.attach(&to_first);
    flow.side("first", &first);
    flow.key("K11", &k11);
    flow.key("K12", &k12);
    let _ = flow.play();

    let mut voice = Voice::default();
    voice.both_ways(&mut ue_a, &mut first);
    flow.side("second", &second);
    let [to_second] = flow.reserve(["second"]);
    second.attach(&to_second);
    voice.is_dropped(&gateway, &mut second, "no_output", 1);
    voice.both_ways(&mut ue_a, &mut first);
    let _ = flow.play();

    voice.passes(&mut ue_a, &mut second, 0xA1);
    voice.passes(&mut second, &mut ue_a, 0xC1);
    assert!(first.is_silent());
    flow.close();
}
