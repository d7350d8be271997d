//! The committed inputs of every fuzz target, through the same functions, without libFuzzer.
#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use agw_testkit::draw::octets_of_seed;
use agw_testkit::fuzz::{self, TARGETS, Target};
use agw_testkit::libsrtp::{self, Libsrtp};
use agw_testkit::peer;

/// Inputs from seeds that each target gets besides, so that it runs on more than old finds.
const SEEDS: u64 = 200;

/// Lets every committed input, and some from seeds, through a target.
fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = files_of(target);
    assert!(!files.is_empty(), "{name} has no corpus");
    for file in &files {
        println!("{}", file.display());
        (target.body)(&fs::read(file).unwrap());
    }
    for seed in 0..SEEDS {
        println!("seed {seed}");
        (target.body)(&octets_of_seed(seed, 300));
    }
}

fn files_of(target: &Target) -> Vec<PathBuf> {
    let mut files = entries(&root().join("corpus").join(target.name));
    files.sort();
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn names(paths: &[PathBuf]) -> BTreeSet<String> {
    paths.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_has_a_binary_a_corpus_and_a_body() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&entries(&root().join("fuzz_targets"))), targets);
    assert_eq!(names(&entries(&root().join("corpus"))), targets);
}

#[test]
fn the_corpus_stays_small() {
    for target in &TARGETS {
        let files = files_of(target);
        let octets: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(files.len() <= 100 && octets <= 300_000, "{}: {octets} octets", target.name);
    }
}

#[test]
fn octets_as_rtp_are_accounted_for_or_refused() {
    replay("rtp_parse");
}

#[test]
fn octets_as_rtcp_are_accounted_for_or_refused() {
    replay("rtcp_parse");
}

#[test]
fn octets_as_rtcp_change_only_as_they_are_asked_to() {
    replay("rtcp_edit");
}

#[test]
fn every_engine_makes_the_same_of_a_batch() {
    replay("simd_against_portable");
}

#[test]
fn text_as_crypto_lines_reads_as_it_prints() {
    replay("sdes_parse");
}

#[test]
fn calls_leave_no_key_on_the_other_side_and_nothing_behind() {
    replay("sdp_calls");
}

#[test]
fn a_refused_packet_leaves_no_trace() {
    replay("srtp_unprotect");
}

#[test]
fn sessions_do_what_the_model_says() {
    replay("srtp_operations");
}

#[test]
fn sessions_do_what_libsrtp_does() {
    match Libsrtp::load() {
        Ok(_) => replay("srtp_against_libsrtp"),
        Err(_) => peer::skip(libsrtp::PEER),
    }
}

#[test]
fn a_relay_forwards_nothing_but_what_is_authentic_or_authorised() {
    replay("relay_batch");
}

#[test]
fn a_refused_request_changes_nothing() {
    replay("iq_request");
}

#[test]
fn a_message_of_ng_is_read_as_it_is_written() {
    replay("ng_message");
}

#[test]
fn what_is_told_at_registration_reads_as_it_prints_and_stays_at_the_edge() {
    replay("mediasec");
}

#[test]
fn every_body_is_replayed() {
    let replayed = [
        ("iq_request", fuzz::iq_request as fn(&[u8])),
        ("mediasec", fuzz::mediasec),
        ("ng_message", fuzz::ng_message),
        ("relay_batch", fuzz::relay_batch),
        ("rtcp_edit", fuzz::rtcp_edit),
        ("rtcp_parse", fuzz::rtcp_parse),
        ("rtp_parse", fuzz::rtp_parse),
        ("sdes_parse", fuzz::sdes_parse),
        ("sdp_calls", fuzz::sdp_calls),
        ("simd_against_portable", fuzz::simd_against_portable),
        ("srtp_against_libsrtp", fuzz::srtp_against_libsrtp),
        ("srtp_operations", fuzz::srtp_operations),
        ("srtp_unprotect", fuzz::srtp_unprotect),
    ];
    assert_eq!(replayed.map(|(name, _)| name), TARGETS.map(|target| target.name));
}
