//! The cache of cookies.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use agw_ng::{Begun, CookieKey, CookieLimits, Cookies, Fingerprint, Fingerprinter, Octets, Reply};
use zeroize::Zeroizing;

const LIMITS: CookieLimits =
    CookieLimits { entries: 4, octets: 100, kept: Duration::from_secs(60), waiting: 2 };

fn from(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn octets(len: usize) -> Reply {
    Octets::new(vec![7; len]).into()
}

fn said(text: &str) -> Fingerprint {
    Fingerprinter::new(Zeroizing::new([5; 64])).of(text.as_bytes())
}

fn first(begun: Begun) -> CookieKey {
    match begun {
        Begun::First { key, cookie_is_known: _ } => key,
        Begun::Again(_) | Begun::Waits | Begun::Full => panic!("not the first: {begun:?}"),
    }
}

fn again(begun: Begun) -> Option<usize> {
    match begun {
        Begun::Again(reply) => Some(reply.len()),
        Begun::First { .. } | Begun::Waits | Begun::Full => None,
    }
}

#[test]
fn a_retry_gets_the_same_reply_and_nothing_is_done_twice() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS, 7), Instant::now(), from("192.0.2.1"));
    let key = first(cookies.begin((a, b"c", said("x")), 1, now));
    assert_eq!(key.cookie(), b"c");
    assert!(matches!(cookies.begin((a, b"c", said("x")), 2, now), Begun::Waits));
    assert!(matches!(cookies.begin((a, b"c", said("x")), 3, now), Begun::Waits));
    assert!(matches!(cookies.begin((a, b"c", said("x")), 4, now), Begun::Full));
    assert_eq!(cookies.finish(&key, octets(5), now), [2, 3]);
    assert_eq!(again(cookies.begin((a, b"c", said("x")), 5, now)), Some(5));
    assert!(cookies.finish(&key, octets(9), now).is_empty(), "a reply does not change");
    assert_eq!(again(cookies.begin((a, b"c", said("x")), 6, now)), Some(5));
    let later = now + LIMITS.kept;
    assert!(matches!(cookies.begin((a, b"c", said("x")), 7, later), Begun::First { .. }));
}

//= tests/spec/ng.md#retries
//= type=test
//# Another request under the same cookie MUST be carried out, and counted.
#[test]
fn another_request_under_the_same_cookie_is_carried_out_and_answered_apart() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS, 7), Instant::now(), from("192.0.2.1"));
    // Whichever of the two has the lesser fingerprint.
    for (cookie, one, other) in [(b"c", "x", "y"), (b"d", "y", "x")] {
        let mut begin = |text| match cookies.begin((a, cookie, said(text)), (), now) {
            Begun::First { key, cookie_is_known } => (key, cookie_is_known),
            begun @ (Begun::Again(_) | Begun::Waits | Begun::Full) => panic!("{begun:?}"),
        };
        let ((first, is_known), (second, is_known_then)) = (begin(one), begin(other));
        assert_eq!((is_known, is_known_then), (false, true));
        assert!(cookies.finish(&first, octets(5), now).is_empty());
        assert!(matches!(cookies.begin((a, cookie, said(other)), (), now), Begun::Waits));
        assert_eq!(cookies.finish(&second, octets(6), now).len(), 1);
        assert_eq!(again(cookies.begin((a, cookie, said(one)), (), now)), Some(5));
        assert_eq!(again(cookies.begin((a, cookie, said(other)), (), now)), Some(6));
    }
}

#[test]
fn fingerprints_tell_octets_apart_and_differ_between_processes() {
    let other = Fingerprinter::new(Zeroizing::new([6; 64]));
    assert_eq!(said("x"), said("x"));
    assert_ne!(said("x"), said("y"));
    assert_ne!(said("x"), other.of(b"x"));
}

#[test]
fn a_cookie_of_another_address_is_another_cookie() {
    let (mut cookies, now) = (Cookies::new(LIMITS, 7), Instant::now());
    assert!(matches!(
        cookies.begin((from("192.0.2.1"), b"c", said("x")), (), now),
        Begun::First { .. }
    ));
    assert!(matches!(
        cookies.begin((from("2001:db8::1"), b"c", said("x")), (), now),
        Begun::First { .. }
    ));
}

//= tests/spec/ng.md#retries
//= type=test
//# A request that came to nothing MUST be carried out when it is asked for again.
#[test]
fn what_came_to_nothing_is_carried_out_anew() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS, 7), Instant::now(), from("192.0.2.1"));
    let key = first(cookies.begin((a, b"c", said("x")), (), now));
    cookies.abandon(&key);
    assert!(matches!(cookies.begin((a, b"c", said("x")), (), now), Begun::First { .. }));
}

#[test]
fn room_is_bounded_in_requests_and_octets() {
    let (mut cookies, now, a) = (Cookies::new(LIMITS, 7), Instant::now(), from("192.0.2.1"));
    let keys = [b"1", b"2", b"3", b"4"]
        .map(|cookie| first(cookies.begin((a, cookie, said("x")), (), now)));
    assert!(
        matches!(cookies.begin((a, b"5", said("x")), (), now), Begun::Full),
        "all are under way"
    );
    cookies.finish(&keys[0], octets(10), now);
    assert!(
        matches!(cookies.begin((a, b"5", said("x")), (), now), Begun::First { .. }),
        "the oldest reply goes"
    );
    assert_eq!(cookies.len(), 4);
    cookies.finish(&keys[1], octets(60), now);
    cookies.finish(&keys[2], octets(60), now);
    assert_eq!((cookies.len(), cookies.octets()), (3, 60));
    assert!(!cookies.is_empty());
}
