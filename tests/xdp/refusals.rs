//! What the daemon says when it cannot have a device, and what it does then.

use std::fs;
use std::process::Command;

use agw_srtp::Suite;
use agw_testkit::peer;
use agw_tests::{Call, Daemon, Finished, Gateway, PortBlock, Program, Side, directory};

use crate::on_stage;

/// Starts a daemon that must not start; `wrapper` is a program that starts it.
fn refused(wrapper: &[&str], settings: &[&str]) -> Finished {
    let (directory, ports) = (directory(), PortBlock::take());
    let mut command = match wrapper {
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(Daemon::executable());
            command
        }
        [] => Command::new(Daemon::executable()),
    };
    Daemon::configure(&mut command, &directory, &ports, settings);
    Program::start(&mut command, directory.path()).finish()
}

#[test]
fn devices_that_another_daemon_has_are_refused_by_name() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    let Finished { status, output } = refused(&[], &[]);
    assert_eq!(status.code(), Some(71), "{output}");
    let start = "agwd: xdp on access, core (mode auto, zero-copy auto): ";
    assert!(output.contains(start) && output.contains("another program"), "{output}");
    call.talk();
}

#[test]
fn without_capabilities_the_daemon_names_those_it_lacks_or_uses_sockets_if_it_may() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    let Some(setpriv) = peer::program("setpriv") else { return };
    let setpriv = setpriv.display().to_string();
    let without = [setpriv.as_str(), "--bounding-set=-all", "--inh-caps=-all"];
    let Finished { status, output } = refused(&without, &[]);
    assert_eq!(status.code(), Some(77), "{output}");
    for capability in ["CAP_NET_RAW", "CAP_BPF", "CAP_NET_ADMIN"] {
        assert!(output.contains(capability), "{capability}: {output}");
    }

    // Queues that are in use are as good a reason; the first daemon's program leaves the ports of
    // the second one alone.
    let _first = Gateway::start();
    let second = Gateway::with(&["media.xdp.fallback=sockets"]);
    let (mut call, ..) = Call::e2ae(&second, Suite::AesCm128HmacSha1_80);
    assert!(second.log().contains("SOCKETS IN PLACE OF XDP"), "{}", second.log());
    assert_eq!(second.daemon.ports.in_use().len(), 4);
    call.talk();
}

#[test]
fn ports_that_the_kernel_gives_to_others_are_refused_with_the_setting_that_helps() {
    let Some(_stage) = on_stage(&Side::ALL) else { return };
    let kernel = |name: &str, value: &str| {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), value).expect("a setting of the kernel");
    };
    kernel("ip_local_port_range", "9000 60999");
    let Finished { status, output } = refused(&[], &[]);
    assert_eq!(status.code(), Some(64), "{output}");
    assert!(output.contains("realm[0].ports") && output.contains("realm[1].ports"), "{output}");
    let remedy = "sysctl -w net.ipv4.ip_local_reserved_ports=";
    assert!(output.contains(remedy), "{output}");

    kernel("ip_local_reserved_ports", "9000-32000");
    let gateway = Gateway::start();
    let (mut call, ..) = Call::e2ae(&gateway, Suite::AesCm128HmacSha1_80);
    call.talk();
}
