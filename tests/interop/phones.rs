//! Calls between phones of others, baresip and PJSIP, behind a Kamailio that has the gateway secure
//! its access side over ng: judged by what each phone hears, by the gateway's counters, and by what
//! passes on the access side, opened by libsrtp and dissected by tshark.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use agw_testkit::peer;
use agw_tests::{Side, beside_test, stage};

use crate::rig;

const MODULES: [&str; 3] = ["numpy", "pjsua2", "pylibsrtp"];
const PROGRAMS: [&str; 4] = ["kamailio", "baresip", "dumpcap", "tshark"];

#[test]
fn baresip_with_sdes_calls_a_plain_one_and_hangs_up() {
    play("secured_calls_plain");
}

#[test]
fn a_plain_baresip_calls_one_with_sdes_which_hangs_up() {
    play("plain_calls_secured");
}

#[test]
fn pjsip_calls_baresip_with_keys_of_256_bits() {
    play("long_keys");
}

#[test]
fn both_are_heard_right_after_a_hold_in_which_their_sequence_numbers_wrapped() {
    play("hold_across_the_wrap");
}

#[test]
fn a_phone_that_offers_a_new_key_or_suite_is_heard_on() {
    play("new_key_by_reinvite");
}

#[test]
fn pjsip_is_heard_on_after_a_re_invite() {
    play("reinvite_of_pjsip");
}

#[test]
fn pjsip_is_heard_on_after_a_re_invite_of_its_callee() {
    play("reinvite_of_the_callee");
}

#[test]
fn a_transferred_phone_talks_to_the_next_one_and_the_old_leg_is_gone() {
    play("transfer");
}

#[test]
fn a_callee_is_heard_before_it_answers() {
    play("early_media");
}

#[test]
fn of_a_fork_with_early_media_on_both_branches_only_the_winner_is_left() {
    play("fork_by_branch");
}

#[test]
fn of_a_fork_that_was_offered_once_the_winner_is_heard() {
    play("fork_with_one_offer");
}

#[test]
fn a_call_outlives_its_proxy_and_ends_with_the_next_one() {
    play("proxy_restarts");
}

#[test]
fn a_draining_gateway_keeps_its_call_and_sends_others_elsewhere() {
    play("gateway_drains");
}

#[test]
fn pjsip_offers_every_suite_that_it_has() {
    play("offered_by_pjsip");
}

#[test]
fn pjsip_takes_every_suite_that_it_has() {
    play("taken_by_pjsip");
}

#[test]
fn baresip_takes_every_suite_that_it_has() {
    play("taken_by_baresip");
}

#[test]
fn every_row_of_the_table_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("../proto/PHONES.md")).expect("the table");
    let named = table.split('`').filter_map(|word| word.split_once("::"));
    let mut count = 0;
    for (module, name) in named.filter(|(module, _)| module.chars().all(is_of_a_name)) {
        let places = ["interop", "differential"].map(|place| root.join(place));
        let files = places.map(|place| place.join(module).with_extension("rs"));
        let text = files.iter().find_map(|file| fs::read_to_string(file).ok());
        let text = text.unwrap_or_else(|| panic!("no module {module}"));
        assert!(text.contains(&format!("#[test]\nfn {name}() {{")), "no test {module}::{name}");
        count += 1;
    }
    assert!(count > 20, "{count} tests are named");
}

fn is_of_a_name(one: char) -> bool {
    one.is_ascii_lowercase() || one == '_'
}

/// Plays a scenario of `proxied/run.py`.
fn play(scenario: &str) {
    if PROGRAMS.iter().any(|program| peer::program(program).is_none()) {
        return;
    }
    rig::python_with(&["ng.udp=[\"127.0.0.1:0\"]"], "proxied/run.py", &MODULES, |gateway| {
        let daemon = &gateway.daemon;
        let directory = daemon.directory.path().join("phones");
        fs::create_dir(&directory).expect("a directory for the phones");
        let options = [
            ("--iq", daemon.iq.to_string()),
            ("--admin", daemon.admin.to_string()),
            ("--ng", daemon.ng_udp[0].to_string()),
            ("--ports", daemon.ports.peer(0).to_string()),
            ("--directory", directory.display().to_string()),
            ("--proxy-access", beside_gateway(Side::Access).to_string()),
            ("--proxy-core", beside_gateway(Side::Core).to_string()),
            ("--agwctl", beside_test("agwctl").display().to_string()),
        ];
        let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        [scenario.to_owned()].into_iter().chain(options).collect()
    });
}

/// The gateway's host on a side: the proxy is there too.
fn beside_gateway(side: Side) -> IpAddr {
    if stage::is_set() { side.addresses(1).0.into() } else { Ipv4Addr::LOCALHOST.into() }
}
