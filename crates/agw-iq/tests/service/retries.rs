//! A retry is answered as the first time and acts once.

use std::sync::Arc;

use agw_context::{CommandError, ContextId, Refused};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::service::InterceptorLayer;
use tonic::transport::Server;

use agw_iq::backend::Unavailable;
use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;
use agw_iq::server::services;

use crate::fake::{Rig, from, held_rig, name_the_peer, rig};
use crate::sent;

async fn reserve(
    rig: &Rig,
    transaction_id: &str,
) -> Result<pb::ReserveConnectionPointResponse, CallError> {
    let request = sent::reserve_request(transaction_id);
    Ok(rig.client.service().reserve_connection_point(request).await?.into_inner())
}

//= tests/spec/iq.md#transactions
//= type=test
//# A repeated transaction id MUST give the first answer again and MUST NOT act twice.
#[tokio::test]
async fn the_same_id_with_the_same_content_acts_once() {
    let rig = rig().await;
    let first = reserve(&rig, "t-1").await.unwrap();
    let again = reserve(&rig, "t-1").await.unwrap();
    assert_eq!((first, rig.fake.transactions()), (again, 1));
    reserve(&rig, "t-2").await.unwrap();
    assert_eq!(rig.fake.transactions(), 2);
}

#[tokio::test]
async fn without_an_id_every_request_acts() {
    let rig = rig().await;
    reserve(&rig, "").await.unwrap();
    reserve(&rig, "").await.unwrap();
    assert_eq!(rig.fake.transactions(), 2);
}

#[tokio::test]
async fn a_refusal_is_repeated_without_a_second_try() {
    let rig = rig().await;
    let refused = Refused { command: 0, error: CommandError::UnknownContext(ContextId(7)) };
    rig.fake.state().errors.push_back(refused.into());
    let first = reserve(&rig, "t-1").await.unwrap_err();
    let again = reserve(&rig, "t-1").await.unwrap_err();
    assert_eq!((&first, rig.fake.transactions()), (&again, 1));
    assert_eq!(first.reason.as_deref(), Some("UNKNOWN_CONTEXT"));
}

#[tokio::test]
async fn what_had_no_answer_is_tried_anew() {
    let rig = rig().await;
    rig.fake.state().errors.push_back(Unavailable.into());
    let error = reserve(&rig, "t-1").await.unwrap_err();
    assert_eq!(error.code, Code::Unavailable);
    reserve(&rig, "t-1").await.unwrap();
    assert_eq!(rig.fake.transactions(), 2);
}

//= tests/spec/iq.md#transactions
//= type=test
//# A transaction id that comes with other content MUST be refused.
#[tokio::test]
async fn the_same_id_with_other_content_is_refused() {
    let rig = rig().await;
    reserve(&rig, "t-1").await.unwrap();
    let mut other_key = sent::reserve_request("t-1");
    let stream = &mut other_key.reserve.as_mut().unwrap().streams[0];
    stream.ingress_crypto.as_mut().unwrap().keys[0].key[15] ^= 1;

    let status = rig.client.service().reserve_connection_point(other_key).await.unwrap_err();

    let error = CallError::from(status);
    assert_eq!(error.code, Code::FailedPrecondition);
    assert_eq!(error.reason.as_deref(), Some("TRANSACTION_ID_REUSED"));
    assert_eq!(error.field.as_deref(), Some("transaction_id"));
    assert_eq!(rig.fake.transactions(), 1);
}

//= tests/spec/iq.md#transactions
//= type=test
//# A transaction id that comes with other content MUST be refused.
#[tokio::test]
async fn the_same_id_for_another_procedure_is_refused() {
    let rig = rig().await;
    reserve(&rig, "t-1").await.unwrap();
    let mut reserve = sent::reserve();
    reserve.streams[0].remote = Some(sent::remote());
    let request = pb::ReserveAndConfigureConnectionPointRequest {
        transaction_id: "t-1".to_owned(),
        reserve: Some(reserve),
    };
    let mut service = rig.client.service();
    let status = service.reserve_and_configure_connection_point(request).await.unwrap_err();
    assert_eq!(CallError::from(status).reason.as_deref(), Some("TRANSACTION_ID_REUSED"));
}

#[tokio::test]
async fn two_controllers_may_use_the_same_id() {
    let rig = rig().await;
    for peer in ["alg-1", "alg-2", "alg-1"] {
        let request = from(peer, sent::reserve_request("t-1"));
        rig.client.service().reserve_connection_point(request).await.unwrap();
    }
    let peers: Vec<String> =
        rig.fake.state().transactions.iter().map(|(controller, _)| controller.0.clone()).collect();
    assert_eq!(peers, ["alg-1", "alg-2"]);
}

//= tests/spec/iq.md#transactions
//= type=test
//# A repeated transaction id MUST give the first answer again and MUST NOT act twice.
#[tokio::test]
async fn a_retry_while_the_first_is_under_way_waits_for_its_answer() {
    let rig = held_rig().await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let mut service = rig.client.service();
            tokio::spawn(async move {
                service.reserve_connection_point(sent::reserve_request("t-1")).await
            })
        })
        .collect();
    while rig.fake.transactions() == 0 {
        tokio::task::yield_now().await;
    }
    // One transaction may end: if another one had begun, its caller would never be answered.
    rig.fake.turns.add_permits(1);

    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap().unwrap().into_inner());
    }

    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(rig.fake.transactions(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_transaction_that_is_told_to_its_retry() {
    let rig = held_rig().await;
    let mut service = rig.client.service();
    let call = tokio::spawn(async move {
        service.reserve_connection_point(sent::reserve_request("t-1")).await
    });
    while rig.fake.transactions() == 0 {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    rig.fake.turns.add_permits(1);

    reserve(&rig, "t-1").await.unwrap();

    assert_eq!(rig.fake.transactions(), 1);
}

#[tokio::test]
async fn a_request_that_could_not_be_read_does_not_use_its_id_up() {
    let rig = rig().await;
    let mut wrong = sent::reserve_request("t-1");
    wrong.reserve.as_mut().unwrap().streams[0].transport = 0;
    rig.client.service().reserve_connection_point(wrong).await.unwrap_err();
    reserve(&rig, "t-1").await.unwrap();
    assert_eq!(rig.fake.transactions(), 1);
}

#[tokio::test]
async fn the_client_tries_again_when_the_connection_breaks_under_a_transaction() {
    let rig = rig().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let services = services(Arc::clone(&rig.fake), false).await.unwrap();
    tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        let mut octets = Vec::new();
        while !octets.windows(5).any(|window| window == b"t-key") {
            assert_ne!(first.read_buf(&mut octets).await.unwrap(), 0, "closed by the client");
        }
        drop(first);
        let server = Server::builder()
            .layer(InterceptorLayer::new(name_the_peer))
            .add_routes(services.routes);
        server.serve_with_incoming(TcpListenerStream::new(listener)).await
    });
    let client = IqClient::connect(&address, None).await.unwrap();

    let correlation_id = "t-key".to_owned();
    client.reserve(pb::Reserve { correlation_id, ..sent::reserve() }).await.unwrap();

    assert_eq!(rig.fake.transactions(), 1);
}
