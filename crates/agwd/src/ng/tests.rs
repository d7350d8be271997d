//! What has no wire to be seen on.

use std::time::{Duration, Instant};

use agw_context::Resource;
use agw_ng::Overload;

use super::failure::run_out;
use super::rate::Bucket;

#[test]
fn whoever_speaks_too_fast_waits_its_turn() {
    let now = Instant::now();
    let mut bucket = Bucket::new(10, now);
    assert_eq!((0..20).filter(|_| bucket.take(now)).count(), 10);
    let later = now + Duration::from_millis(200);
    assert_eq!((0..20).filter(|_| bucket.take(later)).count(), 2);
    let mut open = Bucket::new(0, now);
    assert!((0..1_000).all(|_| open.take(now)));
}

#[test]
fn whatever_runs_out_has_a_word_on_which_controllers_go_elsewhere() {
    for what in Resource::ALL {
        let Some(words) = run_out(what).map(|words| words.to_string()) else {
            assert!(what.is_of_one_call(), "{what:?}");
            continue;
        };
        assert!(
            words.ends_with("reached") || words.ends_with("ports") || words.ends_with("exceeded")
        );
    }
    let words = |what| run_out(what).map(|words| words.to_string());
    assert_eq!(run_out(Resource::Ports), Some(Overload::Ports));
    assert_eq!(words(Resource::Cpu).as_deref(), Some("CPU usage limit exceeded"));
    assert_eq!(words(Resource::PacketRate).as_deref(), Some("Bandwidth limit exceeded"));
    assert_eq!(run_out(Resource::Terminations), None);
}
