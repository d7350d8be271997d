//! The cache of cookies.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use agw_ng::{Begun, CookieLimits, Cookies, Octets};

const LIMITS: CookieLimits =
    CookieLimits { entries: 4, octets: 100, kept: Duration::from_secs(60), waiting: 2 };

fn from(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn octets(len: usize) -> Octets {
    Octets::new(vec![7; len])
}

fn again(begun: Begun) -> Option<usize> {
    match begun {
        Begun::Again(reply) => Some(reply.len()),
        Begun::First | Begun::Waits | Begun::Full => None,
    }
}

#[test]
fn a_retry_gets_the_same_reply_and_nothing_is_done_twice() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS), Instant::now(), from("192.0.2.1"));
    assert!(matches!(cookies.begin(a, b"c", 1, now), Begun::First));
    assert!(matches!(cookies.begin(a, b"c", 2, now), Begun::Waits));
    assert!(matches!(cookies.begin(a, b"c", 3, now), Begun::Waits));
    assert!(matches!(cookies.begin(a, b"c", 4, now), Begun::Full));
    assert_eq!(cookies.finish(a, b"c", octets(5), now), [2, 3]);
    assert_eq!(again(cookies.begin(a, b"c", 5, now)), Some(5));
    assert!(cookies.finish(a, b"c", octets(9), now).is_empty(), "a reply does not change");
    assert_eq!(again(cookies.begin(a, b"c", 6, now)), Some(5));
    let later = now + LIMITS.kept;
    assert!(matches!(cookies.begin(a, b"c", 7, later), Begun::First));
}

#[test]
fn a_cookie_of_another_address_is_another_cookie() {
    let (mut cookies, now) = (Cookies::new(LIMITS), Instant::now());
    assert!(matches!(cookies.begin(from("192.0.2.1"), b"c", (), now), Begun::First));
    assert!(matches!(cookies.begin(from("2001:db8::1"), b"c", (), now), Begun::First));
}

//= tests/spec/ng.md#retries
//= type=test
//# A request that came to nothing MUST be carried out when it is asked for again.
#[test]
fn what_came_to_nothing_is_carried_out_anew() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS), Instant::now(), from("192.0.2.1"));
    assert!(matches!(cookies.begin(a, b"c", (), now), Begun::First));
    cookies.abandon(a, b"c");
    assert!(matches!(cookies.begin(a, b"c", (), now), Begun::First));
}

#[test]
fn room_is_bounded_in_requests_and_octets() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS), Instant::now(), from("192.0.2.1"));
    for cookie in [b"1", b"2", b"3", b"4"] {
        assert!(matches!(cookies.begin(a, cookie, (), now), Begun::First));
    }
    assert!(matches!(cookies.begin(a, b"5", (), now), Begun::Full), "all are under way");
    cookies.finish(a, b"1", octets(10), now);
    assert!(matches!(cookies.begin(a, b"5", (), now), Begun::First), "the oldest reply goes");
    assert_eq!(cookies.len(), 4);
    cookies.finish(a, b"2", octets(60), now);
    cookies.finish(a, b"3", octets(60), now);
    assert_eq!((cookies.len(), cookies.octets()), (3, 60));
    assert!(!cookies.is_empty());
}
