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
        let words = run_out(what).to_string();
        assert!(
            words.ends_with("reached") || words.ends_with("ports") || words.ends_with("exceeded")
        );
    }
    assert_eq!(run_out(Resource::Ports), Overload::Ports);
    assert_eq!(run_out(Resource::Cpu).to_string(), "CPU usage limit exceeded");
    assert_eq!(run_out(Resource::PacketRate).to_string(), "Bandwidth limit exceeded");
}
