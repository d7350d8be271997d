//! The way out of service.

use agw_iq::pb;
use agw_iq::pb::event::Kind;
use agw_srtp::Suite;
use agw_tests::{Call, Gateway, Leg, Side, api};
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::events::Listener;

//= tests/spec/iq.md#daemon
//= type=test
//# After SIGTERM health MUST answer NOT_SERVING and new contexts MUST be refused.
//= tests/spec/iq.md#release
//= type=test
//# A release MUST be carried out while the gateway drains.
#[test]
fn after_sigterm_calls_go_on_and_no_new_ones_come() {
    let gateway = Gateway::start();
    assert_eq!(health(&gateway), ServingStatus::Serving);
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();

    gateway.daemon.program.signal("TERM");
    while health(&gateway) != ServingStatus::NotServing {}

    let refused = reserve(&gateway).expect_err("no new contexts");
    assert_eq!((refused.code, refused.reason.as_deref()), (Code::Unavailable, Some("DRAINING")));
    assert!(gateway.ledger().page("/readyz").starts_with("HTTP/1.1 503"));
    for _ in 0..20 {
        call.talk();
    }
    call.report();
    let status = gateway.wait(gateway.iq.status()).expect("a status");
    assert!(status.gateway.expect("a state").draining);
    let released = gateway.wait(gateway.iq.release(api::release(call.context))).expect("the end");
    assert!(released.context_ended);

    let finished = gateway.daemon.program.finish();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.output);
}

//= tests/spec/iq.md#daemon
//= type=test
//# The drain MUST end after its time limit.
#[test]
fn a_drain_ends_at_its_time_limit() {
    let gateway = Gateway::with(&["drain.timeout_s=1"]);
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
    let mut events = Listener::from_the_start(&gateway);

    gateway.daemon.program.signal("TERM");

    let event = events.await_kind(&gateway, |kind| matches!(kind, Kind::ContextEnded(_)));
    assert_eq!(event.subject.map(|subject| subject.context_id), Some(call.context));
    let Some(Kind::ContextEnded(ended)) = event.kind else { unreachable!() };
    assert_eq!((ended.cause(), ended.streams.len()), (pb::ReleaseCause::Drained, 2));
    let finished = gateway.daemon.program.finish();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.output);
}

#[test]
fn a_controller_drains_the_gateway() {
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);

    let state = gateway.wait(gateway.iq.drain()).expect("the drain");

    assert!(state.draining);
    let refused = reserve(&gateway).expect_err("no new contexts");
    assert_eq!(refused.reason.as_deref(), Some("DRAINING"));
    call.talk();
}

/// A new context in the core realm.
pub(crate) fn reserve(
    gateway: &Gateway,
) -> Result<pb::TerminationReply, agw_iq::client::CallError> {
    let leg = Leg::plain(Side::Core.peer());
    let reserve = api::reserve("core", vec![leg.stream]);
    gateway.wait(gateway.iq.reserve_and_configure(reserve))
}

/// What the health service says of the Iq API.
pub(crate) fn health(gateway: &Gateway) -> ServingStatus {
    let address = format!("http://{}", gateway.daemon.iq);
    gateway.wait(async {
        let endpoint = Endpoint::from_shared(address).expect("an address");
        let mut client = HealthClient::new(endpoint.connect().await.expect("a connection"));
        let request = HealthCheckRequest { service: "agw.iq.v1.IqService".to_owned() };
        client.check(request).await.expect("a health").into_inner().status()
    })
}
