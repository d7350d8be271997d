//! Secure SRVCC with phones of others, as `proto/SRVCC.md` tells it: a Python eMSC with what is
//! around it hands a call over, and judges by UE B's leg and by what is heard.

use std::fs;

use agw_testkit::peer;

use crate::rig;

const MODULES: [&str; 5] = ["grpc", "grpc_reflection", "numpy", "pjsua2", "pylibsrtp"];

#[test]
fn a_session_transfer_gives_a_phone_new_keys_and_it_talks_on() {
    play("Session transfer");
}

#[test]
fn a_phone_whose_call_is_anchored_notices_nothing_of_the_handover() {
    if peer::program("baresip").is_some() {
        play("Anchored in an ATGW");
    }
}

/// Plays the flow under a heading of `proto/SRVCC.md`.
fn play(heading: &str) {
    rig::python("srvcc/run.py", &MODULES, |gateway| {
        let directory = gateway.daemon.directory.path().join("phone");
        fs::create_dir(&directory).expect("a directory for the phone");
        let options = [
            ("--iq", gateway.daemon.iq.to_string()),
            ("--admin", gateway.daemon.admin.to_string()),
            ("--ports", gateway.daemon.ports.peer(0).to_string()),
            ("--directory", directory.display().to_string()),
        ];
        let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        [heading.to_owned()].into_iter().chain(options).collect()
    });
}
