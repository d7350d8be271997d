//! How clients find the service and whether it serves; other ways to connect.

use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tokio_stream::{Stream, StreamExt, once};
use tonic::Code;
use tonic::service::InterceptorLayer;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use agw_iq::client::{ConnectError, IqClient};
use agw_iq::server::services;

use crate::fake::{Rig, name_the_peer, rig};
use crate::sent;

async fn channel(rig: &Rig) -> Channel {
    Channel::from_shared(rig.address.clone()).unwrap().connect().await.unwrap()
}

async fn serving(rig: &Rig, service: &str) -> ServingStatus {
    let mut health = HealthClient::new(channel(rig).await);
    let request = HealthCheckRequest { service: service.to_owned() };
    health.check(request).await.unwrap().into_inner().status()
}

//= tests/spec/iq.md#access
//= type=test
//# Health and reflection MUST be served.
#[tokio::test]
async fn health_follows_the_gateway_by_name_and_as_a_whole() {
    let rig = rig().await;
    for service in ["", "agw.iq.v1.IqService"] {
        rig.health.set_not_serving().await;
        assert_eq!(serving(&rig, service).await, ServingStatus::NotServing);
        rig.health.set_serving().await;
        assert_eq!(serving(&rig, service).await, ServingStatus::Serving);
    }
}

#[tokio::test]
async fn a_gateway_does_not_serve_before_it_says_so() {
    assert_eq!(serving(&rig().await, "").await, ServingStatus::NotServing);
}

//= tests/spec/iq.md#access
//= type=test
//# Health and reflection MUST be served.
#[tokio::test]
async fn reflection_lists_the_service_and_its_file_in_both_versions() {
    let rig = rig().await;
    let channel = channel(&rig).await;

    use v1::server_reflection_request::MessageRequest as Ask;
    use v1::server_reflection_response::MessageResponse as Told;
    let ask = |message| {
        let request =
            v1::ServerReflectionRequest { host: String::new(), message_request: Some(message) };
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
        async move {
            first(client.server_reflection_info(once(request)).await.unwrap().into_inner()).await
        }
    };
    let listed = ask(Ask::ListServices(String::new())).await.message_response;
    let Some(Told::ListServicesResponse(listed)) = listed else { panic!("{listed:?}") };
    assert!(listed.service.iter().any(|service| service.name == "agw.iq.v1.IqService"));
    let symbol = "agw.iq.v1.IqService".to_owned();
    let told = ask(Ask::FileContainingSymbol(symbol)).await.message_response;
    assert!(matches!(told, Some(Told::FileDescriptorResponse(_))), "{told:?}");

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let told =
        first(client.server_reflection_info(once(request)).await.unwrap().into_inner()).await;
    let Some(v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(listed)) =
        told.message_response
    else {
        panic!("no list");
    };
    assert!(listed.service.iter().any(|service| service.name == "agw.iq.v1.IqService"));
}

async fn first<T>(mut answers: impl Stream<Item = Result<T, tonic::Status>> + Unpin) -> T {
    answers.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn reflection_can_be_left_out() {
    let rig = rig().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let services = services(Arc::clone(&rig.fake), false).await.unwrap();
    let server = Server::builder().add_routes(services.routes);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let asked = once(v1::ServerReflectionRequest::default());
    let status = client.server_reflection_info(asked).await.unwrap_err();

    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_client_connects_over_a_unix_socket() {
    let rig = rig().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("iq.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let services = services(Arc::clone(&rig.fake), false).await.unwrap();
    let server =
        Server::builder().layer(InterceptorLayer::new(name_the_peer)).add_routes(services.routes);
    tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));

    let client = IqClient::connect(&format!("unix:{}", path.display()), None).await.unwrap();
    client.change_through_connection(sent::gates()).await.unwrap();

    assert_eq!(rig.fake.transactions(), 1);
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_told_apart() {
    let connect = |address: &'static str| async move {
        IqClient::connect(address, None).await.err().expect("no connection")
    };
    assert!(matches!(connect("https://127.0.0.1:1").await, ConnectError::Tls { .. }));
    assert!(matches!(connect("not an address").await, ConnectError::Address { .. }));
    assert!(matches!(connect("http://127.0.0.1:1").await, ConnectError::Connect { .. }));
    assert!(matches!(connect("unix:/nowhere").await, ConnectError::Connect { .. }));
}
