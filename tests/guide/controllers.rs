//! The programs of `proto/CONTROLLER.md` as they stand there; the one in Rust is run here, the one in
//! Python among the interoperability tests.

use std::fs;
use std::path::Path;

use agw_tests::{Authority, Gateway, Side, directory};

use crate::controller;

/// A gateway with certificates, and the controller's name.
fn with_certificates() -> (Gateway, Authority, &'static str) {
    let (authority, directory) = (Authority::new(), directory());
    let settings = authority.settings(&directory);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let tls = authority.controller("observed", &authority);
    let gateway = Gateway::over(directory, &settings, "https", Some(tls));
    (gateway, authority, "alg-1")
}

fn over_unix_socket() -> (Gateway, String) {
    let directory = directory();
    let socket = directory.path().join("iq.sock");
    let setting = format!("iq.unix_socket={}", socket.display());
    (Gateway::over(directory, &[&setting], "http", None), format!("unix:{}", socket.display()))
}

fn peers() -> controller::Peers {
    controller::Peers { ue: Side::Access.peer(), core: Side::Core.peer() }
}

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/CONTROLLER.md");
    fs::read_to_string(path).expect("the document")
}

#[test]
fn the_document_has_the_programs_as_they_are_run() {
    let document = document();
    for (language, path) in
        [("rust", "../crates/agw-iq/examples/controller.rs"), ("python", "interop/controller.py")]
    {
        let program = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        let block = format!("```{language}\n{}```\n", program.expect("a program"));
        assert!(document.contains(&block), "proto/CONTROLLER.md has another {path}: copy it there");
    }
}

#[test]
fn the_program_in_rust_runs_over_a_unix_socket_and_leaves_nothing() {
    let (gateway, address) = over_unix_socket();
    gateway.wait(controller::run(&address, "local", None, peers())).expect("a run");
    gateway.ledger().await_line("agw_contexts 0");
}

#[test]
fn the_program_in_rust_runs_with_certificates_and_leaves_nothing() {
    let (gateway, authority, name) = with_certificates();
    let address = format!("https://{}", gateway.daemon.iq);
    let tls = authority.controller("alg-1", &authority);
    gateway.wait(controller::run(&address, name, Some(tls), peers())).expect("a run");
    gateway.ledger().await_line("agw_contexts 0");
}

#[test]
fn a_controller_that_comes_back_knows_what_is_gone_and_releases_what_it_has_forgotten() {
    let gateway = Gateway::start();
    let (mut controller, kept) = gateway.wait(async {
        let iq = || gateway.iq.clone();
        let mut controller =
            controller::Controller::new(iq(), "local", peers()).await.expect("a gateway");
        let kept = controller.call_with_keys().await.expect("a call");
        let forgotten = controller.call_with_sdp("forgotten").await.expect("a call");
        controller.calls.remove(&forgotten);
        controller.calls.insert(77);
        let gone = controller.come_back(iq()).await.expect("an audit");
        assert_eq!((gone, controller.calls.iter().collect()), (vec![77], vec![&kept]));
        assert_eq!(gateway.iq.contexts(false).await.expect("an audit").len(), 1);
        (controller, kept)
    });
    drop(gateway);
    // After a restart it is another life.
    let gateway = Gateway::start();
    let gone = gateway.wait(controller.come_back(gateway.iq.clone())).expect("an audit");
    assert_eq!((gone, controller.calls.len()), (vec![kept], 0));
}
