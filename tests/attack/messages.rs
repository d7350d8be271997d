//! C3: messages that are too large, or mean nothing.

use agw_iq::pb;
use agw_tests::{Endpoint, Side, api};
use prost_types::Any;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint as Address;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::scene::{Scene, resident};

const TITLE: &str = "huge and odd messages";
const HUGE: usize = 5 << 20;
/// What the daemon may grow by, in octets.
const FLAT: u64 = 16 << 20;

#[test]
fn messages_beyond_the_limit_are_refused_and_not_kept() {
    let Some(mut scene) = Scene::new("C3", TITLE) else { return };
    let huge = || "x".repeat(HUGE);
    let gateway = &scene.gateway;
    let endpoint = Endpoint::plain(Side::Access.peer());
    let send = |request: pb::TransactRequest| {
        let mut service = gateway.iq.service();
        gateway.wait(service.transact(request)).expect_err("a refusal").code()
    };
    let before = resident(gateway);
    for _ in 0..20 {
        let of_id = pb::TransactRequest { transaction_id: huge(), ..Default::default() };
        let mut reserve = api::reserve("access", vec![api::plain(1, &endpoint)]);
        reserve.realm = huge();
        let command = Some(pb::command::Command::Reserve(reserve));
        let of_realm =
            pb::TransactRequest { commands: vec![pb::Command { command }], ..Default::default() };
        let of_many = pb::TransactRequest {
            commands: vec![pb::Command::default(); 50_000],
            ..Default::default()
        };
        for request in [of_id, of_realm, of_many] {
            let code = send(request);
            assert!(matches!(code, Code::OutOfRange | Code::ResourceExhausted), "{code:?}");
            scene.row.tried(1);
        }
    }
    let grown = resident(&scene.gateway).saturating_sub(before);
    assert!(grown < FLAT, "{grown} octets more");
    scene.goes_on();
}

#[test]
fn messages_that_mean_nothing_are_refused() {
    let Some(mut scene) = Scene::new("C3", TITLE) else { return };
    let gateway = &scene.gateway;
    let address = Address::from_shared(format!("http://{}", gateway.daemon.iq));
    let channel = gateway.wait(address.expect("an address").connect()).expect("a connection");
    let procedures = [
        "Transact",
        "ReserveConnectionPoint",
        "ConfigureConnectionPoint",
        "ReserveAndConfigureConnectionPoint",
        "ChangeThroughConnection",
        "SetTopology",
        "Release",
        "StageKey",
        "ActivateKey",
        "CancelKey",
        "NoSuchProcedure",
    ];
    let mut tried = 0;
    for (number, procedure) in procedures.iter().cycle().take(2_000).enumerate() {
        // Where requests have their id and their command: a text, and octets that are no command.
        let length = 1 + number % 60;
        let noise: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        let odd = Any { type_url: format!("id-{number}"), value: noise };
        let path = format!("/agw.iq.v1.IqService/{procedure}");
        let path = PathAndQuery::try_from(path).expect("a path");
        let answer = gateway.wait(async {
            let mut client = Grpc::new(channel.clone());
            client.ready().await.expect("a connection");
            let codec = ProstCodec::<Any, ()>::default();
            client.unary(Request::new(odd), path, codec).await.map(drop)
        });
        assert!(answer.is_err(), "{procedure} did something");
        tried += 1;
    }
    let contexts = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(contexts.len(), 1);
    scene.row.tried(tried);
    scene.goes_on();
}
