//! Calls of a SIP server that knows no SDP.

use agw_tests::{Endpoint, Gateway, Side};

use crate::dialogue::Dialogue;
use crate::media::{Voice, key};

/// A phone that sends with this key; what it opens with is learnt.
fn phone(key: &agw_tests::Key) -> Endpoint {
    Endpoint::secured(Side::Access.peer(), key, &crate::media::key())
}

/// UE A and the core with a call that stands: the first two steps of a flow.
fn originating(flow: &mut Dialogue<'_>) -> (Endpoint, Endpoint, agw_tests::Key) {
    let k11 = key();
    let mut ue_a = phone(&k11);
    let mut core = Endpoint::plain(Side::Core.peer());
    flow.side("ue_a", &ue_a);
    flow.side("core", &core);
    flow.key("K11", &k11);
    flow.play();
    flow.attach("to_core", &mut core);
    flow.play();
    flow.attach("to_access", &mut ue_a);
    ue_a.restart(&k11, &flow.learnt("K12"), 0);
    (ue_a, core, k11)
}

#[test]
fn originating_e2ae() {
    let gateway = Gateway::start();
    let mut flow = Dialogue::open(&gateway, "Originating e2ae over SDP");
    let (mut ue_a, mut core, k11) = originating(&mut flow);

    assert_ne!(flow.learnt("K12"), k11);
    Voice::default().both_ways(&mut ue_a, &mut core);
    flow.play();
    gateway.ledger().await_line("agw_contexts 0");
    flow.close();
}

#[test]
fn terminating_e2ae() {
    let gateway = Gateway::start();
    let k22 = key();
    let mut ue_b = phone(&k22);
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut flow = Dialogue::open(&gateway, "Terminating e2ae over SDP");
    flow.side("ue_b", &ue_b);
    flow.side("core", &core);
    flow.key("K22", &k22);
    for _ in ["401", "200", "registered", "INVITE"] {
        flow.play();
    }
    flow.attach("to_access", &mut ue_b);
    assert_ne!(flow.learnt("K21"), flow.learnt("K23"));
    ue_b.restart(&k22, &flow.learnt("K21"), 0);
    flow.play();
    flow.attach("to_core", &mut core);

    Voice::default().both_ways(&mut ue_b, &mut core);
    flow.close();
}

#[test]
fn hold_and_resume() {
    let gateway = Gateway::start();
    let mut flow = Dialogue::open(&gateway, "Hold and resume over SDP");
    let (mut ue_a, mut core, _) = originating(&mut flow);
    let mut voice = Voice::default();
    voice.both_ways(&mut ue_a, &mut core);

    flow.play();
    flow.play();
    voice.passes(&mut ue_a, &mut core, 0xA1);
    voice.is_dropped(&gateway, &mut core, "ingress_gate", 1);
    assert!(ue_a.is_silent());

    flow.play();
    flow.play();
    voice.both_ways(&mut ue_a, &mut core);
    flow.close();
}

#[test]
fn a_new_key() {
    let gateway = Gateway::start();
    let mut flow = Dialogue::open(&gateway, "Re-offer with a new key");
    let (mut ue_a, mut core, k11) = originating(&mut flow);
    let mut voice = Voice::default();
    voice.both_ways(&mut ue_a, &mut core);
    let k13 = key();
    assert_ne!(k13, k11);
    flow.key("K13", &k13);

    flow.play();
    voice.both_ways(&mut ue_a, &mut core);
    flow.play();
    voice.both_ways(&mut ue_a, &mut core);

    flow.play();
    flow.play();
    ue_a.sends_with(&k13, agw_srtp::RocOnRekey::Keep);
    voice.both_ways(&mut ue_a, &mut core);
    flow.close();
}

#[test]
fn diversion() {
    let gateway = Gateway::start();
    let k32 = key();
    let mut ue_c = phone(&k32);
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut flow = Dialogue::open(&gateway, "Diversion over SDP");
    flow.side("ue_c", &ue_c);
    flow.side("core", &core);
    flow.key("K32", &k32);
    for _ in ["offer", "302", "offer"] {
        flow.play();
    }
    assert_ne!(flow.learnt("K31"), flow.learnt("K21"));
    flow.attach("to_ue_c", &mut ue_c);
    ue_c.restart(&k32, &flow.learnt("K31"), 0);
    flow.play();
    flow.attach("to_core", &mut core);

    Voice::default().both_ways(&mut ue_c, &mut core);
    flow.close();
}

#[test]
fn forking() {
    let gateway = Gateway::start();
    let [k22, k32] = [key(), key()];
    let [mut ue_b, mut ue_c] = [&k22, &k32].map(phone);
    let mut core = Endpoint::plain(Side::Core.peer());
    let mut flow = Dialogue::open(&gateway, "Forking over SDP");
    for (name, side) in [("ue_b", &ue_b), ("ue_c", &ue_c), ("core", &core)] {
        flow.side(name, side);
    }
    flow.key("K22", &k22);
    flow.key("K32", &k32);
    flow.play();
    flow.play();
    flow.attach("to_ue_b", &mut ue_b);
    flow.attach("to_ue_c", &mut ue_c);
    ue_b.restart(&k22, &flow.learnt("K21"), 0);
    ue_c.restart(&k32, &flow.learnt("K31"), 0);

    let mut voice = Voice::default();
    flow.play();
    flow.attach("to_core", &mut core);
    voice.passes(&mut ue_b, &mut core, 0xB1);
    voice.passes(&mut core, &mut ue_b, 0xC1);
    flow.play();
    voice.passes(&mut ue_c, &mut core, 0xD1);
    voice.passes(&mut core, &mut ue_c, 0xC1);
    flow.play();
    voice.passes(&mut ue_b, &mut core, 0xB1);
    flow.play();
    voice.passes(&mut core, &mut ue_b, 0xC1);
    assert!(ue_c.is_silent());
    flow.close();
}

#[test]
fn forking_of_a_protected_caller() {
    let gateway = Gateway::start();
    let k11 = key();
    let mut ue_a = phone(&k11);
    let [mut first, mut second] = [(); 2].map(|()| Endpoint::plain(Side::Core.peer()));
    let mut flow = Dialogue::open(&gateway, "Forking of a protected caller over SDP");
    for (name, side) in [("ue_a", &ue_a), ("first", &first), ("second", &second)] {
        flow.side(name, side);
    }
    flow.key("K11", &k11);
    flow.play();
    flow.play();
    flow.attach("to_first", &mut first);
    flow.attach("to_second", &mut second);

    let mut voice = Voice::default();
    flow.play();
    flow.attach("to_access", &mut ue_a);
    ue_a.restart(&k11, &flow.learnt("K12"), 0);
    voice.passes(&mut first, &mut ue_a, 0xC1);
    flow.play();
    voice.passes(&mut second, &mut ue_a, 0xD1);
    voice.passes(&mut ue_a, &mut second, 0xA1);
    flow.play();
    flow.play();
    voice.passes(&mut second, &mut ue_a, 0xD1);
    assert!(first.is_silent());
    flow.close();
}
