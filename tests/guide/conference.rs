//! One key for all.

use agw_iq::pb::event::Kind;
use agw_srtp::RocOnRekey;
use agw_tests::{Endpoint, Gateway, Side};

use crate::book::Flow;
use crate::media::{Voice, key};

#[test]
fn conference_with_group_key() {
    let gateway = Gateway::start();
    let group = key();
    let mut focus = Endpoint::plain(Side::Core.peer());
    let mut members = [(); 3].map(|()| Endpoint::secured(Side::Access.peer(), &group, &group));
    let mut flow = Flow::open(&gateway, "Conference with group key");
    flow.side("focus", &focus);
    flow.key("KG", &group);
    let names = ["first", "second", "third"];
    for (name, member) in names.into_iter().zip(&members) {
        flow.side(name, member);
    }
    let [to_focus, to_first, to_second] = flow.reserve(["focus", "first", "second"]);
    focus.attach(&to_focus);
    members[0].attach(&to_first);
    members[1].attach(&to_second);

    let mut voice = Voice::default();
    let (present, absent) = members.split_at_mut(2);
    hear(&mut voice, &mut focus, present);
    voice.passes(&mut present[0], &mut focus, 0xA1);
    voice.passes(&mut present[1], &mut focus, 0xA2);
    let [to_third] = flow.reserve(["third"]);
    absent[0].attach(&to_third);
    hear(&mut voice, &mut focus, &mut members);
    voice.passes(&mut members[2], &mut focus, 0xA3);
    let _ = flow.play();

    let (gone, present) = members.split_at_mut(1);
    hear(&mut voice, &mut focus, present);
    assert!(gone[0].is_silent());
    rekey_is_wanted(&gateway);
    let next = key();
    flow.key("KG_next", &next);
    let _ = flow.play();

    // The second member has changed, the third one has not yet.
    present[0].sends_with(&next, RocOnRekey::Keep);
    voice.passes(&mut present[0], &mut focus, 0xA2);
    voice.passes(&mut present[1], &mut focus, 0xA3);
    for member in present.iter_mut() {
        member.receives_with(&next, RocOnRekey::Keep);
    }
    hear(&mut voice, &mut focus, present);
    present[1].sends_with(&next, RocOnRekey::Keep);
    re_key_when_all_have_agreed(&mut flow, &mut voice, &mut focus, present);
    assert!(gone[0].is_silent());
    flow.close();
}

/// A key that waits changes nothing before it comes in force for all.
fn re_key_when_all_have_agreed(
    flow: &mut Flow<'_>,
    voice: &mut Voice,
    focus: &mut Endpoint,
    members: &mut [Endpoint],
) {
    let last = key();
    flow.key("KG_last", &last);
    let _ = flow.play();
    hear(voice, focus, members);
    voice.passes(&mut members[0], focus, 0xA2);
    let _ = flow.play();
    for member in members.iter_mut() {
        member.receives_with(&last, RocOnRekey::Keep);
    }
    hear(voice, focus, members);
    voice.passes(&mut members[0], focus, 0xA2);
    members[0].sends_with(&last, RocOnRekey::Keep);
    voice.passes(&mut members[0], focus, 0xA2);
    voice.passes(&mut members[1], focus, 0xA3);
}

/// What the focus sends reaches every member, in the same octets.
fn hear(voice: &mut Voice, focus: &mut Endpoint, members: &mut [Endpoint]) {
    let packet = voice.packet(0xF0);
    focus.send(&packet);
    for member in members.iter_mut() {
        assert_eq!(member.receive(), packet);
    }
    let again = voice.packet(0xF0);
    focus.send(&again);
    let octets: Vec<_> = members.iter().map(Endpoint::receive_octets).collect();
    assert!(octets.windows(2).all(|pair| matches!(pair, [one, other] if one == other)));
}

/// Waits until joining and leaving is told, in one event for all of it.
fn rekey_is_wanted(gateway: &Gateway) {
    let mut events = gateway.wait(gateway.iq.events(Some(0), 0)).expect("events");
    loop {
        let event = gateway.wait(events.message()).expect("a stream").expect("an event").event;
        if let Some(Kind::GroupRekeyWanted(wanted)) = event.and_then(|event| event.kind) {
            assert!(wanted.joined >= 1, "{wanted:?}");
            return;
        }
    }
}
