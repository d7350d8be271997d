//! Configuration: sources, positions of mistakes, rules.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use tempfile::TempDir;

use agw_simd::Level;

use super::check::Host;
use super::xdp::KernelPorts;
use super::{Config, ConfigError, LogFormat, PortRange, RealmBackend, Sources};

const SAMPLE: &str = include_str!("../../../../deploy/agwd.toml");

fn host() -> Host {
    let addresses = vec![
        Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        Ipv4Addr::new(192, 0, 2, 1).into(),
    ];
    let given_out = Some(PortRange { low: 32_768, high: 60_999 });
    let ports = KernelPorts { given_out, reserved: Vec::new() };
    Host { addresses: Some(addresses), cores: 4, ports }
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("agwd.toml");
    fs::write(&path, text).expect("a file");
    (directory, path)
}

fn read(
    text: &str,
    environment: &[(&str, &str)],
    settings: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let (_directory, path) = file(text);
    Config::read(&Sources {
        file: Some(path),
        environment: pairs(environment),
        settings: pairs(settings),
    })
}

/// The keys that break a rule.
fn broken(text: &str) -> Vec<String> {
    let config = read(text, &[], &[]).expect("readable");
    match config.check(&host()) {
        Ok(()) => Vec::new(),
        Err(invalid) => invalid.into_iter().map(|invalid| invalid.key).collect(),
    }
}

#[test]
fn the_annotated_sample_equals_the_defaults() {
    let sample: Config = toml::from_str(SAMPLE).expect("the sample");
    assert_eq!(sample, Config::default());
}

#[test]
fn the_keys_that_the_sample_comments_out_exist() {
    let uncommented: String = SAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.starts_with('[') || key.contains(" = ") => format!("{key}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let config: Config = toml::from_str(&uncommented).expect("every key");
    assert!(config.iq.tls.is_some() && config.iq.unix_uids.is_some());
    assert!(config.realm.iter().any(|realm| realm.device.is_some() && realm.dscp.is_some()));
    assert!(config.realm.iter().any(|realm| realm.backend == RealmBackend::Xdp));
}

#[test]
fn an_empty_file_is_the_defaults_and_they_break_no_rule() {
    assert_eq!(read("", &[], &[]).expect("defaults"), Config::default());
    assert_eq!(Config::default().check(&host()), Ok(()));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let text = "[iq]\nlisten = \"\"\nunix_socket = \"/x\"\n[[realm]]\nname = \"a\"\n\
                addresses = [\"192.0.2.1\"]\nports = \"4000-4001\"\ndscp = 46\n";
    let config = read(text, &[], &[]).expect("readable");
    let printed = config.to_toml().expect("printable");
    assert_eq!(read(&printed, &[], &[]).expect("readable again"), config);
}

//= tests/spec/iq.md#daemon
//= type=test
//# An unknown configuration key MUST be refused with its line and column.
#[test]
fn mistakes_in_a_file_are_told_with_line_and_column() {
    let table = [
        ("[iq]\nlisen = \"\"\n", 2, 1, "lisen"),
        ("[log]\nfilter = \"info\"\n  format = \"xml\"\n", 3, 12, "xml"),
        ("[iq]\nlisten = \"localhost\"\n", 2, 10, "ADDRESS:PORT"),
        ("[[realm]]\nname = \"a\"\naddresses = []\nports = \"1\"\n", 4, 9, "LOW-HIGH"),
        ("[media]\nworkers = -1\n", 2, 11, "-1"),
        ("[media\n", 1, 7, ""),
        ("[iq.tls]\ncertificate = \"a\"\n", 1, 1, "private_key"),
    ];
    for (text, expected_line, expected_column, part) in table {
        match read(text, &[], &[]) {
            Err(ConfigError::File { line, column, message, .. }) => {
                assert_eq!((line, column), (expected_line, expected_column), "{text:?}");
                assert!(message.contains(part), "{message:?} for {text:?}");
            }
            other => panic!("{other:?} for {text:?}"),
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let file = Some(PathBuf::from("/nowhere/agwd.toml"));
    let error = Config::read(&Sources { file, ..Sources::default() }).expect_err("no file");
    assert!(error.to_string().starts_with("/nowhere/agwd.toml: "), "{error}");
}

#[test]
fn the_environment_beats_the_file_and_settings_beat_both() {
    let text = "[log]\nfilter = \"warn\"\nformat = \"json\"\n[limits]\ncontexts = 1\n";
    let environment =
        [("AGWD__LOG__FILTER", "agwd=debug"), ("AGWD__LIMITS__CONTEXTS", "2"), ("HOME", "/")];
    let config = read(text, &environment, &[("limits.contexts", "3")]).expect("readable");
    assert_eq!(config.log.filter, "agwd=debug");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.limits.contexts, 3);
}

#[test]
fn lists_and_sections_can_be_set_in_toml() {
    let realm = r#"[{ name = "one", addresses = ["192.0.2.1"], ports = "4000-4999" }]"#;
    let tls = [("iq.tls.certificate", "a"), ("iq.tls.private_key", "b"), ("iq.tls.client_ca", "c")];
    let config = read("", &[("AGWD__REALM", realm)], &tls).expect("readable");
    assert_eq!(config.realm.len(), 1);
    assert_eq!(config.iq.tls.expect("tls").client_ca, PathBuf::from("c"));
}

#[test]
fn mistakes_in_environment_and_settings_name_their_origin() {
    let unknown = read("", &[("AGWD__IQ__LISEN", "x")], &[]);
    assert_eq!(origin(unknown), "environment variable AGWD__IQ__LISEN");
    let good = ("AGWD__LOG__FILTER", "x");
    let number = read("", &[good], &[("media.workers", "many")]);
    assert_eq!(origin(number), "--set media.workers");
    let section = read("", &[], &[("iq.listen", "x"), ("iq.listen.port", "1")]);
    assert_eq!(origin(section), "--set iq.listen.port");
    let empty = read("", &[], &[("iq..listen", "1")]);
    assert_eq!(origin(empty), "--set iq..listen");
}

fn origin(result: Result<Config, ConfigError>) -> String {
    match result {
        Err(ConfigError::Override { origin, .. }) => origin,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_rule_names_its_key() {
    let table = [
        ("[iq]\nlisten = \"192.0.2.1:7400\"\n", "iq.listen"),
        ("[iq]\nlisten = \"0.0.0.0:7400\"\n", "iq.listen"),
        ("[iq]\nlisten = \"\"\n", "iq.listen"),
        ("[iq]\nunix_uids = [0]\n", "iq.unix_uids"),
        ("[iq]\nunix_socket = \"/x\"\nunix_uids = []\n", "iq.unix_uids"),
        ("[iq]\nmax_connections = 0\n", "iq.max_connections"),
        ("[iq]\nhandshake_timeout_ms = 0\n", "iq.handshake_timeout_ms"),
        ("[admin]\nlisten = \"192.0.2.1:7401\"\n", "admin.listen"),
        ("[admin]\nlisten = \"127.0.0.1:7400\"\n", "admin.listen"),
        ("[control]\nthreads = 0\n", "control.threads"),
        ("[media]\nworkers = 1000\n", "media.workers"),
        ("[media]\nworkers = 5\npin = true\n", "media.pin"),
        ("[media]\ncoalesce_us = 501\n", "media.coalesce_us"),
        ("[media]\nbusy_poll_us = 1001\n", "media.busy_poll_us"),
        ("[media.xdp]\nbusy_poll_us = 1001\n", "media.xdp.busy_poll_us"),
        ("[media.xdp]\nframes = 1000\n", "media.xdp.frames"),
        ("[media.xdp]\nframes = 32\n", "media.xdp.frames"),
        ("[media.xdp]\nmode = \"generic\"\nzero_copy = \"on\"\n", "media.xdp.zero_copy"),
        ("[limits]\ncontexts = 0\n", "limits.contexts"),
        ("[limits]\nterminations = 1\n", "limits.terminations"),
        ("[limits]\nterminations = 257\n", "limits.terminations"),
        ("[limits]\nterminations = 17\n", "alg.max_branches"),
        ("[alg]\nmax_branches = 16\n", "alg.max_branches"),
        ("[limits]\nstreams = 65\n", "limits.streams"),
        ("[limits]\nsources = 0\n", "limits.sources"),
        ("[limits]\nevents = 0\n", "limits.events"),
        ("[policy]\nmax_overlap_ms = 700000\n", "policy.max_overlap_ms"),
        ("[policy]\nmax_overlap_ms = 1\n", "policy.default_overlap_ms"),
        ("[policy]\ngroup_rekey_interval_ms = 600001\n", "policy.group_rekey_interval_ms"),
        ("[limits]\ngroup_members = 1001\n", "limits.group_members"),
        ("[policy]\nmax_activation_delay_s = 0\n", "policy.max_activation_delay_s"),
        ("[policy]\nlatch_gate_ms = 0\n", "policy.latch_gate_ms"),
        ("[policy]\npolicing_factor = 1001\n", "policy.policing_factor"),
        ("[policy]\npolicing_burst_ms = 99\n", "policy.policing_burst_ms"),
        ("[policy]\npre_key_packets = 65\n", "policy.pre_key_packets"),
        ("[limits]\npre_key_octets = 17179869185\n", "limits.pre_key_octets"),
        ("[policy]\nport_rest_ms = 600001\n", "policy.port_rest_ms"),
        ("[log]\nfilter = \"agwd=loud\"\n", "log.filter"),
        ("[drain]\ntimeout_s = 100000\n", "drain.timeout_s"),
        ("realm = []\n", "realm"),
    ];
    for (text, key) in table {
        assert_eq!(broken(text), [key], "{text:?}");
    }
}

#[test]
fn an_engine_is_refused_exactly_if_the_processor_lacks_something_for_it() {
    for level in Level::ALL {
        let text = format!("[media]\nengine = \"{level}\"\n");
        let expected: &[&str] = if level.missing().is_empty() { &[] } else { &["media.engine"] };
        let config = read(&text, &[], &[]).expect("a configuration");
        let rules = config.check(&host()).err().unwrap_or_default();
        assert_eq!(rules.iter().map(|rule| rule.key.as_str()).collect::<Vec<_>>(), expected);
        for missing in level.missing() {
            assert!(rules.iter().any(|rule| rule.rule.contains(missing)), "{missing}");
        }
    }
    let unknown = read("[media]\nengine = \"neon\"\n", &[], &[]).expect_err("refused");
    assert!(unknown.to_string().contains("auto, portable, sha-ni, avx512"), "{unknown}");
}

#[test]
fn a_broken_rule_of_a_realm_names_its_key() {
    let table = [
        (r#"name = """#, "name"),
        (r#"name = "a b""#, "name"),
        ("addresses = []", "addresses"),
        (r#"addresses = ["192.0.2.1", "127.0.0.1"]"#, "addresses"),
        (r#"advertise = ["2001:db8::1"]"#, "advertise"),
        (r#"advertise = ["0.0.0.0"]"#, "advertise"),
        (r#"ports = "5000-4000""#, "ports"),
        (r#"ports = "4001-4002""#, "ports"),
        ("dscp = 64", "dscp"),
        ("hop_limit = 0", "hop_limit"),
        ("max_streams = 0", "max_streams"),
        ("receive_buffer_octets = 1", "receive_buffer_octets"),
        (r#"device = "a-name-far-too-long""#, "device"),
    ];
    for (line, field) in table {
        let key = line.split(' ').next().expect("a key");
        let good = [r#"name = "one""#, r#"addresses = ["192.0.2.1"]"#, r#"ports = "4000-4999""#];
        let others = good.into_iter().filter(|good| !good.starts_with(key));
        let realm: Vec<_> = ["[[realm]]", line].into_iter().chain(others).collect();
        assert_eq!(broken(&realm.join("\n")), [format!("realm[0].{field}")], "{line}");
    }
}

#[test]
fn a_realm_hairpins_by_plain_sockets_only() {
    let realm = |line: &str| {
        format!(
            "[[realm]]\nname = \"one\"\naddresses = [\"192.0.2.1\"]\nports = \"30000-32767\"\n\
             hairpin = true\n{line}\n"
        )
    };
    assert_eq!(broken(&realm("")), [""; 0]);
    for line in ["device = \"eth0\"", "advertise = [\"203.0.113.5\"]"] {
        assert_eq!(broken(&realm(line)), ["realm[0].hairpin"], "{line}");
    }
    let by_xdp = realm("backend = \"xdp\"\ndevice = \"eth0\"");
    assert_eq!(broken(&by_xdp), ["realm[0].hairpin"]);
}

#[test]
fn realms_share_an_address_only_with_ports_of_their_own() {
    let two = |name: &str, address: &str, ports: &str| {
        format!(
            "[[realm]]\nname = \"one\"\naddresses = [\"192.0.2.1\"]\nports = \"4000-4999\"\n\
             [[realm]]\nname = \"{name}\"\naddresses = [\"{address}\"]\nports = \"{ports}\"\n"
        )
    };
    assert_eq!(broken(&two("two", "192.0.2.1", "5000-5999")), [""; 0]);
    assert_eq!(broken(&two("two", "127.0.0.1", "4000-4999")), [""; 0]);
    assert_eq!(broken(&two("two", "192.0.2.1", "4999-5999")), ["realm[1].ports"]);
    assert_eq!(broken(&two("one", "192.0.2.1", "5000-5999")), ["realm[1].name"]);
}

#[test]
fn an_xdp_realm_needs_a_device_and_ports_that_the_kernel_gives_to_nobody() {
    let realm = |lines: &str| {
        format!(
            "[[realm]]\nname = \"one\"\naddresses = [\"192.0.2.1\"]\nbackend = \"xdp\"\n{lines}\n"
        )
    };
    let ports = "ports = \"30000-32767\"";
    let device = "device = \"eth0\"";
    assert_eq!(broken(&realm(&format!("{ports}\n{device}"))), [""; 0]);
    assert_eq!(broken(&realm(ports)), ["realm[0].device"]);
    let buffer = "receive_buffer_octets = 65536";
    let both = format!("{ports}\n{device}\n{buffer}");
    assert_eq!(broken(&realm(&both)), ["realm[0].receive_buffer_octets"]);

    let shared = realm(&format!("ports = \"32000-33000\"\n{device}"));
    let config = read(&shared, &[], &[]).expect("readable");
    let invalid = config.check(&host()).expect_err("ports that others may get");
    let told: Vec<_> = invalid.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("realm[0].ports: ")
            && told[0].ends_with("sysctl -w net.ipv4.ip_local_reserved_ports=32000-33000"),
        "{told:?}"
    );
}

#[test]
fn certificates_make_a_routable_address_good() {
    let text = "[iq]\nlisten = \"0.0.0.0:7400\"\n[iq.tls]\ncertificate = \"a\"\n\
                private_key = \"b\"\nclient_ca = \"c\"\n";
    assert_eq!(broken(text), [""; 0]);
}

#[test]
fn the_built_in_realms_do_without_the_ipv6_loopback_where_there_is_none() {
    let addresses = Some(vec![Ipv4Addr::LOCALHOST.into()]);
    let host = Host { addresses, cores: 1, ..host() };
    let mut config = Config::default();
    assert!(config.fit_default_realms(&host));
    assert_eq!(config.check(&host), Ok(()));
}
