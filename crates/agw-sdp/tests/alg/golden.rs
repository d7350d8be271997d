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
    a_ue_that_asks_for_e2ae_talks_to_a_core_without_it = "originating";
    a_ue_that_registered_for_e2ae_is_called = "terminating";
    srtp_from_end_to_end_leaves_as_it_came = "end_to_end";
    a_call_is_held_resumed_rekeyed_and_moved = "reoffer";
    branches_have_legs_and_keys_of_their_own = "forking";
    media_lines_come_and_go_each_in_its_own_way = "many_lines";
    keys_under_avp_are_taken_or_left = "opportunistic";
}
