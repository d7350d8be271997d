//! Mutual TLS: who may connect, and what a controller sees of others.

use agw_iq::client::{CallError, IqClient, Tls};
use agw_tests::{Authority, Call, Gateway, Leg, Side, api};
use tempfile::TempDir;
use tonic::Code;

//= tests/spec/iq.md#access
//= type=test
//# A client certificate that the gateway's authorities did not sign MUST be refused.
#[test]
fn only_a_certificate_of_the_authority_gets_in() {
    let authority = Authority::new();
    let gateway = gateway(&authority, "alg-1");
    let stranger = Authority::new().controller("alg-1", &authority);

    assert!(audit(&gateway, stranger).is_err());

    let address = format!("http://{}", gateway.daemon.iq);
    let plain = gateway.wait(async {
        let client = IqClient::connect(&address, None).await.ok()?;
        client.status().await.ok()
    });
    assert_eq!(plain, None, "without TLS");
    gateway.wait(gateway.iq.status()).expect("the right certificate");
}

#[test]
fn a_controller_does_not_see_contexts_of_another_one() {
    let authority = Authority::new();
    let gateway = gateway(&authority, "alg-1");
    let mut call =
        Call::between(&gateway, Leg::plain(Side::Core.peer()), Leg::plain(Side::Core.peer()));
    let own = gateway.wait(gateway.iq.contexts(false)).expect("an audit");
    assert_eq!(own.len(), 1);
    assert!(own[0].controller.contains("alg-1"), "{}", own[0].controller);

    let address = format!("https://{}", gateway.daemon.iq);
    let tls = authority.controller("alg-2", &authority);
    let other = gateway.wait(IqClient::connect(&address, Some(tls))).expect("a connection");

    assert_eq!(gateway.wait(other.contexts(false)).expect("an audit"), []);
    let refused = gateway.wait(other.release(api::release(call.context))).expect_err("not its own");
    assert_eq!(
        (refused.code, refused.reason.as_deref()),
        (Code::NotFound, Some("UNKNOWN_CONTEXT"))
    );
    call.talk();
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let (before, after) = (Authority::new(), Authority::new());
    let gateway = gateway(&before, "alg-1");
    assert!(audit(&gateway, after.controller("alg-1", &after)).is_err());

    after.equip(gateway.daemon.directory.path(), &after);
    gateway.daemon.program.signal("HUP");

    while audit(&gateway, after.controller("alg-1", &after)).is_err() {}
    assert!(audit(&gateway, before.controller("alg-1", &before)).is_err());
    gateway.wait(gateway.iq.status()).expect("an established connection goes on");
}

/// A gateway with certificates, and a controller of that name.
fn gateway(authority: &Authority, controller: &str) -> Gateway {
    gateway_with(agw_tests::directory(), authority, controller, &[])
}

/// A gateway with certificates and other settings, and a controller of that name.
pub(crate) fn gateway_with(
    directory: TempDir,
    authority: &Authority,
    controller: &str,
    others: &[&str],
) -> Gateway {
    let settings = authority.settings(&directory);
    let settings: Vec<&str> =
        settings.iter().map(String::as_str).chain(others.iter().copied()).collect();
    let tls = authority.controller(controller, authority);
    Gateway::over(directory, &settings, "https", Some(tls))
}

/// What a controller with these certificates gets.
fn audit(gateway: &Gateway, tls: Tls) -> Result<usize, String> {
    let address = format!("https://{}", gateway.daemon.iq);
    gateway.wait(async {
        let client = IqClient::connect(&address, Some(tls)).await.map_err(|e| e.to_string())?;
        let contexts =
            client.contexts(false).await.map_err(|error: CallError| error.to_string())?;
        Ok(contexts.len())
    })
}
