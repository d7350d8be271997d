//! C2: controllers with another role, and with contexts of others.

use agw_iq::client::{IqClient, Tls};
use agw_iq::{FILE_DESCRIPTOR_SET, pb};
use agw_tests::{Authority, Call, Gateway, Leg, Side, Subject, api, directory};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::row::Row;
use crate::scene;

const TITLE: &str = "the right authority and the wrong role";
/// What an observer may use.
const OBSERVING: [&str; 8] = [
    "AuditValue",
    "AuditCapabilities",
    "SubscribeEvents",
    "GetStatus",
    "CompareContexts",
    "Query",
    "List",
    "QueryRegistration",
];
/// What only an operator may use.
const OPERATING: [&str; 1] = ["ServiceChange"];

/// A gateway that knows roles, and its authority; the controller is a P-CSCF.
fn gateway() -> (Gateway, Authority) {
    let authority = Authority::new();
    let directory = directory();
    let mut settings = authority.settings(&directory);
    for (role, patterns) in [
        ("controller", r#"["spiffe://example.net/pcscf/*", "spiffe://example.net/emsc/*"]"#),
        ("observer", r#"["spiffe://example.net/observer/*"]"#),
        ("operator", r#"["spiffe://example.net/operator/1"]"#),
    ] {
        settings.push(format!("iq.roles.{role}={patterns}"));
    }
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let tls = tls(&authority, "spiffe://example.net/pcscf/1");
    (Gateway::over(directory, &settings, "https", Some(tls)), authority)
}

fn tls(authority: &Authority, uri: &str) -> Tls {
    authority.shown(authority.sign(Subject::client(&[uri])))
}

/// Every procedure of the gateway's own services, by its path, with whether its answers come one
/// after the other.
fn procedures() -> Vec<(String, bool)> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors");
    let services = set.file.iter().flat_map(|file| {
        file.service
            .iter()
            .map(|service| (format!("{}.{}", file.package(), service.name()), service))
    });
    let methods = services.flat_map(|(name, service)| {
        service.method.iter().map(move |method| (format!("/{name}/{}", method.name()), method))
    });
    methods.map(|(path, method)| (path, method.server_streaming())).collect()
}

/// How a gateway answers an empty request.
fn ask(gateway: &Gateway, channel: &Channel, path: &str, is_stream: bool) -> Code {
    let path = PathAndQuery::try_from(path).expect("a path");
    let codec = ProstCodec::<(), ()>::default();
    let answer = gateway.wait(async {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.expect("a connection");
        if is_stream {
            client.server_streaming(Request::new(()), path, codec).await.map(drop)
        } else {
            client.unary(Request::new(()), path, codec).await.map(drop)
        }
    });
    answer.map_or_else(|status| status.code(), |()| Code::Ok)
}

/// A connection with this certificate.
fn channel(gateway: &Gateway, tls: Tls) -> Channel {
    let Tls { authority_pem, certificate_pem, key_pem, .. } = tls;
    let config = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority_pem))
        .identity(Identity::from_pem(certificate_pem, key_pem));
    let endpoint = Endpoint::from_shared(format!("https://{}", gateway.daemon.iq));
    let endpoint = endpoint.and_then(|endpoint| endpoint.tls_config(config));
    let connected = gateway.wait(endpoint.expect("an address").connect());
    connected.expect("a connection")
}

#[test]
fn each_role_may_use_its_procedures_and_no_other_one() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C2", TITLE);
    let procedures = procedures();
    assert!(procedures.len() >= 15, "{procedures:?}");
    // The operator comes last: it takes the gateway out of service.
    for (uri, denied) in [
        (
            "spiffe://example.net/observer/1",
            (|name| !OBSERVING.contains(&name)) as fn(&str) -> bool,
        ),
        ("spiffe://example.net/pcscf/7", |name| OPERATING.contains(&name)),
        ("spiffe://example.net/emsc/1", |name| OPERATING.contains(&name)),
        ("spiffe://example.net/operator/1", |_| false),
    ] {
        let (gateway, authority) = gateway();
        let channel = channel(&gateway, tls(&authority, uri));
        for (path, is_stream) in &procedures {
            let code = ask(&gateway, &channel, path, *is_stream);
            let procedure = path.rsplit('/').next().expect("a procedure");
            let is_denied = code == Code::PermissionDenied;
            assert_eq!(is_denied, denied(procedure), "{uri} {procedure}: {code:?}");
            row.tried(1);
        }
    }
}

#[test]
fn names_without_a_role_and_with_several_are_not_served() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C2", TITLE);
    let (gateway, authority) = gateway();
    let names: [&[&str]; 6] = [
        &["spiffe://example.net/stranger/1"],
        &["spiffe://example.org/pcscf/1"],
        &["spiffe://example.net/operator/11"],
        &["spiffe://example.net/observer/"],
        &["spiffe://example.net/pcscf/1", "spiffe://example.net/operator/1"],
        &["spiffe://example.net/pcscf/1", "spiffe://example.net/pcscf/1"],
    ];
    for uris in names {
        let tls = authority.shown(authority.sign(Subject::client(uris)));
        let address = format!("https://{}", gateway.daemon.iq);
        let served = gateway.wait(async {
            let client = IqClient::connect(&address, Some(tls)).await.map_err(drop)?;
            client.status().await.map_err(drop)
        });
        assert!(served.is_err(), "{uris:?} is served");
        row.tried(1);
    }
}

#[test]
fn a_controller_touches_no_context_of_another_one() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C2", TITLE);
    let (gateway, authority) = gateway();
    let core = || Leg::plain(Side::Core.peer());
    let mut call = Call::between(&gateway, core(), core());
    call.talk();
    let connect = |uri: &str| {
        let address = format!("https://{}", gateway.daemon.iq);
        let connected = IqClient::connect(&address, Some(tls(&authority, uri)));
        gateway.wait(connected).expect("a connection")
    };
    for uri in ["spiffe://example.net/pcscf/2", "spiffe://example.net/emsc/1"] {
        let other = connect(uri);
        let context = call.context;
        let closed = pb::StreamMode::Inactive;
        let refusals = [
            gateway.wait(other.release(api::release(context))).err(),
            gateway.wait(other.change_through_connection(api::gates(context, 1, closed))).err(),
            gateway
                .wait(other.configure(api::configure(context, 1, pb::StreamChange::default())))
                .err(),
            gateway.wait(other.activate_key(api::activate(context, pb::Direction::Ingress))).err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.map(|refused| refused.code), Some(Code::NotFound));
            row.tried(1);
        }
        assert_eq!(gateway.wait(other.contexts(false)).expect("an audit"), []);
    }
    let observer = connect("spiffe://example.net/observer/1");
    assert_eq!(gateway.wait(observer.contexts(false)).expect("an audit").len(), 1);
    call.talk();
}
