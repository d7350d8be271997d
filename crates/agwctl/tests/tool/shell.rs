//! What scripts rely on: usage errors, exit codes, generated files.

use std::fs;
use std::net::TcpListener;

use crate::gateway::{Rig, run};

#[test]
fn nobody_there_is_exit_3_and_one_line() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [format!("http://{free}"), "unix:/nowhere/iq.sock".to_owned()] {
        let run = run(&format!("--endpoint {endpoint} status"), "");
        assert_eq!(run.code, 3, "{}", run.stderr);
        assert!(run.stderr.starts_with("agwctl: connecting: no gateway answers at "));
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    }
}

#[test]
fn somebody_who_does_not_answer_is_exit_3() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let run = run(&format!("--timeout 1 --endpoint {endpoint} status"), "");
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert_eq!(run.stderr, "agwctl: status: no answer in time\n");
}

#[test]
fn a_wrong_command_line_or_file_is_exit_2() {
    let rig = Rig::new();
    for arguments in [
        "",
        "contexts show x",
        "contexts show 0",
        "call add --access-remote nowhere:1",
        "call add --realm a,b,c",
        "call add --rtcp mux --core-rtcp pair",
        "call add --file /nowhere",
        "call add --file - --crypto-file -",
        "--ca a.pem status",
    ] {
        let run = rig.agwctl(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments}: {}", run.stderr);
    }
    let unreadable = rig.agwctl_with("call add --file -", "[access\n");
    assert_eq!(unreadable.stderr, "agwctl: -: line 1, column 8: this is not TOML\n");
}

#[test]
fn certificates_without_https_are_exit_2() {
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("a.pem");
    fs::write(&pem, "").unwrap();
    let pem = pem.display();
    let run = run(&format!("--ca {pem} --cert {pem} --key {pem} status"), "");
    assert_eq!(run.code, 2, "{}", run.stderr);
}

#[test]
fn completions_and_manual_pages_are_written_for_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = run(&format!("completions {shell}"), "");
        assert!(completions.code == 0 && completions.stdout.contains("capabilities"), "{shell}");
    }
    assert!(run("man", "").stdout.contains(".TH agwctl 1"));

    let directory = tempfile::tempdir().unwrap();
    assert_eq!(run(&format!("man {}", directory.path().display()), "").code, 0);
    for page in ["agwctl.1", "agwctl-status.1", "agwctl-call-add.1", "agwctl-contexts-show.1"] {
        assert!(directory.path().join(page).is_file(), "{page}");
    }
    assert_eq!(run("man /nowhere", "").code, 7);
}

#[test]
fn the_endpoint_comes_from_the_environment_too() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_agwctl"))
        .arg("status")
        .env("AGWCTL_ENDPOINT", "unix:/nowhere/from-environment.sock")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("unix:/nowhere/from-environment.sock"), "{told}");
}
