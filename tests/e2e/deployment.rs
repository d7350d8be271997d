//! What operators' own tools say of the daemon.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::{Call, Daemon, Gateway, Program, directory};

#[test]
fn promtool_has_nothing_to_say_against_the_metrics() {
    let Some(promtool) = peer::program("promtool") else { return };
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
    call.report();
    let page = gateway.ledger().page("/metrics");
    let (_, metrics) = page.split_once("\r\n\r\n").expect("a body");

    let mut checked = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    checked.stdin.take().expect("its input").write_all(metrics.as_bytes()).expect("metrics");
    let verdict = checked.wait_with_output().expect("a verdict");

    let said = [verdict.stdout, verdict.stderr].concat();
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&said));
    assert_eq!(String::from_utf8_lossy(&said), "");
}

#[test]
fn systemd_takes_the_unit_and_finds_it_little_exposed() {
    systemd_takes(&[], 20);
}

#[test]
fn systemd_takes_the_unit_with_what_xdp_adds_and_finds_it_hardly_more_exposed() {
    systemd_takes(&["agwd-xdp.conf"], 25);
}

/// The unit with drop-ins passes `verify`, and is exposed to at most a tenth of `threshold`.
fn systemd_takes(additions: &[&str], threshold: u32) {
    let Some(analyze) = peer::program("systemd-analyze") else { return };
    let directory = directory();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd");
    let text = fs::read_to_string(deploy.join("agwd.service")).expect("the unit");
    // It verifies that the executable is there.
    let here = Daemon::executable().display().to_string();
    let unit = directory.path().join("agwd.service");
    fs::write(&unit, text.replace("/usr/bin/agwd", &here)).expect("a copy of the unit");

    let additional = directory.path().join("agwd.service.d");
    fs::create_dir(&additional).expect("a directory");
    for file in additions {
        fs::copy(deploy.join(file), additional.join(file)).expect("a copy of the drop-in");
    }

    let threshold = format!("--threshold={threshold}");
    for arguments in [&["verify"][..], &["security", "--offline=true", &threshold]] {
        let mut command = Command::new(&analyze);
        command.arg("--no-pager").args(arguments).arg(&unit);
        Program::start(&mut command, directory.path()).succeed();
    }
}

#[test]
fn the_sample_configuration_is_the_embedded_one() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/agwd.toml");
    let print = |arguments: &[&str]| {
        let output =
            Command::new(Daemon::executable()).args(arguments).output().expect("the daemon");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a configuration")
    };
    let sample = sample.display().to_string();

    let embedded = print(&["--print-config"]);

    assert_eq!(print(&["--config", &sample, "--print-config"]), embedded);
    assert!(embedded.contains("127.0.0.1:7400"), "{embedded}");
    assert_eq!(print(&["--config", &sample, "--check-config"]), "");
}
