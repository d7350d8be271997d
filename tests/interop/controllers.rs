//! The program in Python of `proto/CONTROLLER.md`, over each way to reach a gateway.

use std::fs;
use std::path::Path;
use std::process::Command;

use agw_iq::client::Tls;
use agw_testkit::peer;
use agw_tests::{Authority, Gateway, Program, Side, directory};

#[test]
fn a_controller_in_python_runs_over_a_unix_socket_and_leaves_nothing() {
    let directory = directory();
    let socket = directory.path().join("iq.sock").display().to_string();
    let setting = format!("iq.unix_socket={socket}");
    let gateway = Gateway::over(directory, &[&setting], "http", None);
    run(&gateway, &[&format!("unix:{socket}")]);
}

#[test]
fn a_controller_in_python_runs_with_certificates_and_leaves_nothing() {
    let (authority, directory) = (Authority::new(), directory());
    let settings = authority.settings(&directory);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let other = authority.controller("alg-2", &authority);
    let gateway = Gateway::over(directory, &settings, "https", Some(other));
    let Tls { authority_pem, certificate_pem, key_pem, server_name: _ } =
        authority.controller("alg-1", &authority);
    let directory = gateway.daemon.directory.path();
    let files = [("me.ca", authority_pem), ("me.pem", certificate_pem), ("me.key", key_pem)];
    let [authority, certificate, key] = files.map(|(name, text)| {
        fs::write(directory.join(name), text).expect("a file");
        directory.join(name).display().to_string()
    });
    let address = gateway.daemon.iq.to_string();
    run(&gateway, &[&address, "alg-1", &authority, &certificate, &key]);
}

fn run(gateway: &Gateway, arguments: &[&str]) {
    let Some(python) = peer::python(&["grpc", "grpc_reflection"]) else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/controller.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args(arguments);
    for (name, side) in [("UE", Side::Access), ("CORE", Side::Core)] {
        command.env(name, side.peer().to_string());
    }
    Program::start(&mut command, gateway.daemon.directory.path()).succeed();
    gateway.ledger().await_line("agw_contexts 0");
}
