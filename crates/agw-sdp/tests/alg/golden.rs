//! Stories with the end that somebody has read and found right.

use std::path::PathBuf;

use crate::story::tell;
use crate::world::World;

/// Tells a story of `tests/golden` and compares it with its text; `AGW_GOLDEN=write` writes it.
#[expect(clippy::disallowed_methods, reason = "a test reads its text from a file")]
fn golden(name: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let path = path.with_extension("txt");
    let expected = std::fs::read_to_string(&path).unwrap();
    let mut world = World::new();
    let told = tell(&mut world, &expected);
    if std::env::var_os("AGW_GOLDEN").is_some() {
        std::fs::write(&path, &told).unwrap();
        return;
    }
    for (line, (told, expected)) in told.lines().zip(expected.lines()).enumerate() {
        assert_eq!(told, expected, "{name}, line {}", line + 1);
    }
    assert_eq!(told, expected, "{name}");
}

macro_rules! stories {
    ($($test:ident = $file:literal;)*) => { $(#[test] fn $test() { golden($file); })* };
}

stories! {
    //= tests/spec/sdp.md#indications
    //= type=test
    //# A UE that asked for e2ae protection MUST be told that it is applied.
    //= tests/spec/sdp.md#gates
    //= type=test
    //# Until the answer the gates MUST be closed.
    a_ue_that_asks_for_e2ae_talks_to_a_core_without_it = "originating";
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# An answer MUST be one to an offer of whose From tag it names.
    what_is_repeated_answers_what_it_answered_before = "repeating";
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# An answer that was given before, to an offer before the last one of its dialogue, MUST leave
    //# the session as it was agreed on since.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# The first offer MUST be one that other callees can answer, though one of them has gone on.
    what_is_repeated_takes_no_session_back = "repeats";
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# A crypto line in an answer to an offer without one MUST make the answer refused.
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# A dialogue that was secured MUST be offered keys again, though another one is plain meanwhile.
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# A callee's offer that is answered MUST be in force as it was made, whatever another dialogue
    //# has made of the leg meanwhile.
    what_a_dialogue_is_offered_follows_from_what_it_agreed_on = "opportunistic_dialogues";
    a_callee_that_is_not_heard_offers_with_the_key_that_it_has = "protected_callees";
    a_ue_that_registered_for_e2ae_is_called = "terminating";
    srtp_from_end_to_end_leaves_as_it_came = "end_to_end";
    //= tests/spec/sdp.md#re-offers
    //= type=test
    //# An offerer that keeps its address MUST be answered with the key that it knows.
    //= tests/spec/sdp.md#re-offers
    //= type=test
    //# When a new offer is rejected the old keys MUST stay.
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# While an offer of one side waits, an offer of the other side MUST be refused.
    //= tests/spec/sdp.md#hold
    //= type=test
    //# An address that is nowhere MUST be passed on as one, in the family of the other side.
    //= tests/spec/sdp.md#re-offers
    //= type=test
    //# Who is protected to the edge MUST stay so, though a new offer does not ask again.
    a_call_is_held_resumed_rekeyed_and_moved = "reoffer";
    //= tests/spec/sdp.md#forking
    //= type=test
    //# Of the branches of a call only the one that answered last MUST be heard.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# When others know the keys of a call, a new offer MUST be advised.
    branches_have_legs_and_keys_of_their_own = "forking";
    //= tests/spec/sdp.md#forking
    //= type=test
    //# An offer within any dialogue of a fork MUST be taken, whichever of them is heard.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# What was offered within one dialogue MUST NOT be answered within another one.
    every_early_dialogue_of_a_fork_has_its_offers = "early_dialogues";
    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# Where no media is left the author's address MUST NOT leave either.
    what_must_not_pass_does_not_in_any_spelling = "hygiene";
    //= tests/spec/sdp.md#forking
    //= type=test
    //# Who is called in the place of a callee that answered MUST be offered keys of its own.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# An offer that is made again before its answer MUST show the same keys.
    phones_are_called_at_once_and_one_after_the_other = "serial_fork";
    //= tests/spec/sdp.md#re-offers
    //= type=test
    //# A peer that moves and keeps its key MUST be heard under it as before, unless the mode is
    //# strict.
    phones_move_and_keep_their_keys = "moving";
    //= tests/spec/sdp.md#re-offers
    //= type=test
    //# Where rejections are not told, an offer of the other side MUST end one that waits.
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# What was reserved for an offer MUST be released as soon as no answer can take it.
    an_offer_ends_one_whose_rejection_nobody_told = "superseding";
    //= tests/spec/sdp.md#bandwidth
    //= type=test
    //# A stream MUST be policed by the greater bandwidth of both sides, if both say one.
    media_lines_come_and_go_each_in_its_own_way = "many_lines";
    what_others_wrote_is_understood = "examples";
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# A crypto line in an answer to an offer of RTP MUST go no further, and make the answer refused
    //# if the mode is strict.
    what_phones_write_is_understood = "phones";
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# Media lines that are left out at the end MUST be taken for declined, unless the mode is
    //# strict.
    //= tests/spec/sdp.md#addresses
    //= type=test
    //# Of several connections of a line the first MUST be used and no other one passed on.
    what_phones_write_oddly_is_understood = "oddities";
    what_networks_and_their_tests_wrote_is_understood = "examples_of_networks";
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# A secured line without a crypto line that can be used MUST be declined.
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# An accepted secured line without a crypto line MUST make the answer refused.
    //= tests/spec/sdp.md#offer-and-answer
    //= type=test
    //# A master key that stands under two media lines MUST make the offer refused.
    //= tests/spec/sdp.md#signalling
    //= type=test
    //# Keys MUST NOT be exchanged over unprotected signalling unless it is configured.
    what_breaks_a_rule_changes_nothing = "refusals";
    //= tests/spec/sdp.md#addresses
    //= type=test
    //# A line whose author's address is not known MUST be declined where none is learnt.
    names_of_hosts_are_learnt_or_declined = "hosts";
    a_protected_caller_has_one_leg_for_all_its_branches = "forking_out";
    fresh_keys_are_offered_and_taken_or_not = "rekey";
    parameters_are_repeated_and_keys_told_apart = "parameters";
    //= tests/spec/ng.md#gates
    //= type=test
    //# While a call's media is dropped, no answer MUST open its gates.
    //= tests/spec/ng.md#gates
    //= type=test
    //# Media MUST pass again, as signalling has it by then, when its dropping stops.
    media_is_dropped_until_it_passes_again = "dropping";
    //= tests/spec/sdp.md#end-to-access-edge
    //= type=test
    //# Crypto lines that turn encryption off MUST NOT be offered unless policy allows them.
    encryption_is_left_out_where_it_may_be = "unencrypted";
    a_callee_may_offer_first = "late_offer";
    //= tests/spec/sdp.md#forking
    //= type=test
    //# The end of a dialogue that the call does not have MUST be refused and change nothing.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# Nobody MUST hear a call on a leg whose callee has ended until another one answers on it.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# What a callee has on its own and on common legs MUST end with its dialogue.
    dialogues_end_each_with_what_is_its_own = "dialogue_ends";
    //= tests/spec/sdp.md#forking
    //= type=test
    //# A way MUST end with all its dialogues when a tag that nobody has ends it.
    an_error_response_ends_its_way_whoever_answered_there_early = "ways_end";
    //= tests/spec/sdp.md#forking
    //= type=test
    //# Once a dialogue was confirmed a provisional response of another one MUST NOT take its media.
    //= tests/spec/sdp.md#forking
    //= type=test
    //# The end of the one dialogue that was confirmed MUST be that of the call, and the end of
    //# another one MUST NOT, whichever is heard.
    who_accepts_a_call_has_it = "confirmed";
    families_and_ports_are_those_of_each_side = "families";
    //= tests/spec/sdp.md#re-offers
    //= type=test
    //# Who goes to another address family MUST get a leg and a key of the gateway's of its own there
    //# with the answer, and keep the old ones until then.
    who_goes_to_another_family_has_a_leg_there = "changing_family";
    multiplexing_is_left_as_it_was_taken_up = "multiplexing";
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# Keys under RTP/AVP that cannot be used MUST be answered with a plain stream.
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# An answer without a crypto line to keys under RTP/AVP MUST make the stream plain.
    keys_under_avp_are_taken_or_left = "opportunistic";
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# A dialogue that was secured MUST NOT become plain.
    //= tests/spec/sdp.md#opportunistic-protection
    //= type=test
    //# Of the dialogues of a fork one MUST be plain and another one secured, as each was answered.
    callees_of_a_fork_take_keys_or_leave_them = "opportunistic_fork";
}
