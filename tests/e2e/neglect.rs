//! Who does not read what the gateway writes harms nobody.

use std::time::Instant;

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Leg, PATIENCE, Side, api, terminations};
use tonic::Code;
use tonic::transport::Endpoint;

use crate::events::Listener;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// Contexts of a round, each with two events.
const OF_A_ROUND: usize = 25;
/// Rounds whose events are more than what can wait on their way to a subscriber.
const ROUNDS: usize = 400;
/// Octets that the slow subscriber's side takes unread.
const WINDOW: u32 = 65_535;

/// Reserves and releases contexts, in two transactions.
fn round(gateway: &Gateway, stream: &pb::Stream) {
    let reserve = Command::Reserve(api::reserve("core", vec![stream.clone()]));
    let replies = gateway.wait(gateway.iq.transact(vec![reserve; OF_A_ROUND])).expect("contexts");
    let release = |reply: &pb::TerminationReply| Command::Release(api::release(reply.context_id));
    let releases = terminations(&replies).into_iter().map(release).collect();
    gateway.wait(gateway.iq.transact(releases)).expect("their end");
}

//= tests/spec/iq.md#events
//= type=test
//# A subscriber whose number is no longer kept MUST be told so.
#[test]
fn a_subscriber_that_does_not_read_loses_its_subscription_and_nobody_else_anything() {
    let gateway = Gateway::with(&["limits.events=256", "policy.port_rest_ms=1"]);
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let stream = Leg::plain(Side::Core.peer()).stream;
    let address = format!("http://{}", gateway.daemon.iq);
    // A connection of its own: what it does not read is in nobody else's way.
    let endpoint = Endpoint::from_shared(address).expect("an address");
    let endpoint =
        endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW);
    let other = IqClient::new(gateway.wait(endpoint.connect()).expect("a connection"));
    let mut slow = gateway.wait(other.events(Some(0), 0)).expect("a subscription");
    let mut attentive = Listener::from_the_start(&gateway);
    let mut heard = 0;
    for _ in 0..ROUNDS {
        round(&gateway, &stream);
        call.talk();
        for _ in 0..2 * OF_A_ROUND {
            let event = attentive.next(&gateway);
            assert_eq!(event.sequence, heard + 1, "none is missing");
            heard = event.sequence;
        }
    }

    let mut last = 0;
    let end = loop {
        match gateway.wait(slow.message()) {
            Ok(message) => {
                let event = message.expect("an end that is told").event.expect("an event");
                assert_eq!(event.sequence, last + 1, "no gap before the end");
                last = event.sequence;
            }
            Err(status) => break CallError::from(status),
        }
    };

    assert_eq!((end.code, end.reason.as_deref()), (Code::OutOfRange, Some("EVENTS_GONE")));
    assert!(last < heard, "{last} of {heard}");
    let resumed = end.oldest_sequence.expect("where to go on") - 1;
    let mut again = Listener::new(gateway.wait(other.events(Some(resumed), 0)).expect("events"));
    assert_eq!(again.next(&gateway).sequence, resumed + 1);
    call.talk();
}

/// Log lines that were dropped so far.
fn lines_dropped(gateway: &Gateway) -> u64 {
    let page = gateway.ledger().page("/metrics");
    let line = page.lines().find_map(|line| line.strip_prefix("agw_log_lines_dropped_total "));
    line.expect("the metric").parse().expect("a number")
}

#[test]
fn when_nobody_reads_standard_error_lines_are_dropped_and_nothing_waits() {
    let gateway = Gateway::unheard(&["log.filter=trace", "policy.port_rest_ms=1"]);
    let (mut call, ..) = Call::e2ae_at(&gateway, SUITE, 3);
    let stream = Leg::plain(Side::Core.peer()).stream;
    let deadline = Instant::now() + PATIENCE;
    while lines_dropped(&gateway) == 0 {
        assert!(Instant::now() < deadline, "everything goes through");
        round(&gateway, &stream);
        call.talk();
    }

    for _ in 0..20 {
        call.talk();
    }
    call.report();
    let (mut new, ..) = Call::e2ae(&gateway, SUITE);
    new.talk();
    for call in [call, new] {
        gateway.wait(gateway.iq.release(api::release(call.context))).expect("its end");
    }
    gateway.daemon.program.signal("TERM");
    assert_eq!(gateway.daemon.program.finish().status.code(), Some(0));
}
