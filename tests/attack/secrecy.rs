//! C7: keys that are looked for wherever they must not be: in what is told, and in the memory of
//! the daemon once a call is over (S1, S3).

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use agw_iq::pb;
use agw_srtp::{MasterKey, SessionKeys, Suite};
use agw_tests::{Call, Gateway, Key, Side, api};

use crate::row::Row;
use crate::scene;

const TITLE: &str = "keys in logs, metrics, answers and memory";
const SUITES: [Suite; 3] =
    [Suite::AesCm128HmacSha1_80, Suite::AesCm256HmacSha1_32, Suite::AeadAes128Gcm];
const CALLS: usize = 12;

/// The master key and what is derived from it.
fn secrets(key: &Key) -> Vec<Vec<u8>> {
    let (master, salt) = key.octets.split_at(key.suite.key_len());
    let known = MasterKey::from_concatenated(key.suite, &key.octets).expect("a key");
    let SessionKeys { srtp, srtcp } = &SessionKeys::derive(&known);
    let mut secrets = vec![master.to_vec(), salt.to_vec()];
    for derived in [srtp, srtcp] {
        secrets.push(derived.cipher().to_vec());
        secrets.push(derived.authentication().to_vec());
    }
    // What a suite does not have is empty, or zeros.
    secrets.retain(|secret| secret.iter().any(|octet| *octet != 0));
    // A needle that begins with zeros would be skipped; it happens once in 65,536.
    secrets.retain(|secret| !secret.starts_with(&[0, 0]));
    secrets
}

/// Keys as somebody may have written them down.
fn written(keys: &[Key]) -> Vec<Vec<u8>> {
    let texts = keys.iter().flat_map(|key| {
        let hex = key.hex();
        [hex[..24].to_owned(), hex[..24].to_uppercase(), key.base64()[..16].to_owned()]
    });
    texts.map(String::into_bytes).collect()
}

/// Needles by their first two octets.
fn by_start(needles: &[Vec<u8>]) -> Vec<Vec<usize>> {
    let mut starts = vec![Vec::new(); 1 << 16];
    for (number, needle) in needles.iter().enumerate() {
        let [one, two, ..] = needle.as_slice() else { panic!("too short to be looked for") };
        starts[usize::from(u16::from_be_bytes([*one, *two]))].push(number);
    }
    starts
}

/// Where any of the needles is in the memory of a process: the needle's number and the place.
fn search(gateway: &Gateway, needles: &[Vec<u8>]) -> Vec<(usize, String)> {
    let process = format!("/proc/{}", gateway.daemon.program.id());
    let maps = fs::read_to_string(format!("{process}/maps")).expect("its memory map");
    let memory = File::open(format!("{process}/mem")).expect("its memory, which takes root");
    let starts = by_start(needles);
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = range.map(|(a, b)| (address(a), address(b))).expect("a range");
        let mut region = vec![0; usize::try_from(end - start).expect("a length")];
        // Some regions are the kernel's, and are not read.
        if memory.read_exact_at(&mut region, start).is_err() {
            continue;
        }
        for (at, pair) in region.windows(2).enumerate() {
            // Most of memory is zeros, and no needle begins so.
            if pair == [0, 0] {
                continue;
            }
            let pair = usize::from(pair[0]) << 8 | usize::from(pair[1]);
            let here = starts[pair].iter().filter(|n| region[at..].starts_with(&needles[**n]));
            found.extend(here.map(|number| (*number, line.to_owned())));
        }
    }
    found
}

/// Calls that carry media, and their end; the keys that they had.
fn calls_that_are_over(gateway: &Gateway) -> Vec<Key> {
    let mut keys = Vec::new();
    for number in 0..CALLS {
        let suite = SUITES[number % SUITES.len()];
        let (mut call, ingress, egress) = Call::e2ae_at(gateway, suite, 3);
        for _ in 0..5 {
            call.talk();
        }
        call.report();
        let staged = Key::random(suite);
        let stage = api::stage_ingress(call.context, &staged);
        gateway.wait(gateway.iq.stage_key(stage)).expect("a staged key");
        let activate = api::activate(call.context, pb::Direction::Ingress);
        gateway.wait(gateway.iq.activate_key(activate)).expect("a new key");
        let refused = api::secured(
            1,
            &agw_tests::Endpoint::plain(Side::Access.peer()),
            &ingress.crypto(),
            &egress.crypto(),
        );
        let reserve = api::reserve("access", vec![refused]);
        assert!(gateway.wait(gateway.iq.reserve_and_configure(reserve)).is_err());
        gateway.wait(gateway.iq.release(api::release(call.context))).expect("the end");
        keys.extend([ingress, egress, staged]);
    }
    keys
}

#[test]
fn when_calls_are_over_no_key_of_theirs_is_in_memory_or_was_told() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C7", TITLE);
    let settings = ["log.filter=trace,h2=info,hyper=info", "policy.port_rest_ms=1"];
    let mut gateway = Gateway::with(&settings);
    let keys = calls_that_are_over(&gateway);
    // What a connection received last is in its buffer until it ends; nothing else is in the way:
    // no other call writes over what was left.
    gateway.reconnect();

    let secrets: Vec<_> = keys.iter().flat_map(secrets).collect();
    let written = written(&keys);
    let found = search(&gateway, &[&secrets[..], &written[..]].concat());
    assert_eq!(found, [], "of {} secrets", secrets.len());

    let metrics = gateway.ledger().page("/metrics");
    let audit = gateway.wait(gateway.iq.contexts(true)).expect("an audit");
    let told = format!("{}{metrics}{audit:?}", gateway.log());
    assert!(told.len() > 10_000, "nothing was looked at");
    for text in &written {
        let text = String::from_utf8_lossy(text);
        assert!(!told.contains(text.as_ref()), "a key was told: {text}");
    }
    row.tried(secrets.len() as u64 + written.len() as u64);
}

#[test]
fn what_is_in_use_is_found_so_that_the_search_is_one() {
    let Some(_) = scene::stage() else { return };
    let mut row = Row::new("C7", TITLE);
    let gateway = Gateway::start();
    let (mut call, ingress, egress) = Call::e2ae_at(&gateway, Suite::AesCm128HmacSha1_80, 3);
    call.talk();
    let in_use: Vec<_> = [&ingress, &egress].map(secrets).concat();
    assert!(!search(&gateway, &in_use).is_empty(), "session keys in use are not found");
    // The master keys themselves are not kept, in use or not: nor are they in a core.
    let limits = format!("/proc/{}/limits", gateway.daemon.program.id());
    let limits = fs::read_to_string(limits).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "a core may be written");
    row.tried(in_use.len() as u64);
}
