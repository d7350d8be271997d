//! Calls: added, shown, refused, released.

use std::fs;

use crate::gateway::Rig;

const LINES: &str = "\
access ingress a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
access egress a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
";
const REMOTES: &str = "--access-remote 127.0.0.2:30000 --core-remote 127.0.0.2:30010";

fn add(rig: &Rig) {
    let added = rig.agwctl_with(&format!("call add {REMOTES} --crypto-file -"), LINES);
    assert_eq!((added.code, added.stderr.as_str()), (0, ""));
}

#[test]
fn a_call_is_added_with_keys_from_standard_input_and_shown_without_them() {
    let rig = Rig::new();
    let added = rig.agwctl_with(
        &format!("--output json call add {REMOTES} --correlation c1 --crypto-file -"),
        LINES,
    );
    assert_eq!((added.code, added.stderr.as_str()), (0, ""));
    let added: serde_json::Value = serde_json::from_str(&added.stdout).unwrap();
    let id = added["context_id"].as_u64().unwrap();
    assert!(added["access"]["rtp"].as_str().unwrap().starts_with("127.0.0.1:20"), "{added}");
    assert!(added["core"]["rtcp"].as_str().unwrap().starts_with("127.0.0.1:21"), "{added}");

    let shown = rig.json(&format!("contexts show {id}"));
    assert_eq!(shown["correlation_id"], "c1");
    let [access, core] = [0, 1].map(|n| &shown["terminations"][n]["streams"][0]);
    assert_eq!((&access["transport"], &core["transport"]), (&"secured".into(), &"plain".into()));
    assert_eq!(access["ingress_key"]["suite"], "AES_CM_128_HMAC_SHA1_80");
    assert_eq!(access["egress_key"]["source"], "sdes");
    assert!(core["ingress_key"].is_null());

    let everything = rig.agwctl(&format!("contexts show {id}")).stdout + &shown.to_string();
    for secret in ["inline", "d0Rmdm", "WVNfX1"] {
        assert!(!everything.contains(secret), "{everything}");
    }
}

#[test]
fn a_call_file_says_the_call_and_an_option_beats_it() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("call.toml");
    let call = "correlation = 'from-file'\nmode = 'inactive'\n[access]\nrtcp = 'mux'\n\
                ingress_crypto = 'a=crypto:1 AEAD_AES_128_GCM \
                inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw=='\n";
    fs::write(&path, call).unwrap();
    let added = rig.json(&format!("call add --file {} --mode send_only", path.display()));
    assert_eq!(added["access"]["rtp"], added["access"]["rtcp"]);

    let listed = rig.json("contexts list");
    let [context] = &listed["contexts"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!(context["correlation_id"], "from-file");
    let stream = &context["terminations"][0]["streams"][0];
    assert_eq!((&stream["mode"], &stream["rtcp"]), (&"send_only".into(), &"mux".into()));
    assert_eq!(stream["ingress_key"]["suite"], "AEAD_AES_128_GCM");
    assert!(stream["egress_key"].is_null());
}

#[test]
fn what_the_gateway_refuses_is_one_line_without_the_key_and_exit_1() {
    let rig = Rig::new();
    let line = "access ingress a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0";
    let refused = rig.agwctl_with(&format!("call add {REMOTES} --crypto-file -"), line);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let [told] = refused.stderr.lines().collect::<Vec<_>>()[..] else { panic!("one line") };
    assert!(told.starts_with("agwctl: call add: access leg: ingress_crypto.sdes_line: "), "{told}");
    assert!(told.ends_with(" [KEY_LENGTH, H.248 449]"), "{told}");
    assert!(!told.contains("c2VjcmV0"), "{told}");
    assert_eq!(rig.json("contexts list")["contexts"].as_array().unwrap().len(), 0);
}

#[test]
fn a_stream_is_given_to_a_call_that_stands_and_taken_again() {
    let rig = Rig::new();
    add(&rig);
    let added = rig.json("call add --to 1 --stream 2 --media video --access-transport plain");
    let of = |leg: &str| (added[leg]["termination_id"].clone(), added[leg]["stream_id"].clone());
    assert_eq!((of("access"), of("core")), ((1.into(), 2.into()), (2.into(), 2.into())));
    let context = rig.json("contexts show 1");
    assert_eq!(context["terminations"][1]["streams"][1]["media"], "video");
    assert_eq!(context["generation"], 2);

    let twice = rig.agwctl("call add --to 1 --stream 2 --access-transport plain");
    assert!(twice.stderr.contains("[STREAM_EXISTS"), "{}", twice.stderr);
    let late = rig.agwctl("contexts rm 1 --stream 2 --generation 1");
    assert!(late.stderr.contains("[GENERATION_MISMATCH"), "{}", late.stderr);
    let named = rig.agwctl("call add --to 1 --stream 3 --correlation x");
    assert_eq!(named.code, 2, "{}", named.stderr);

    let removed = rig.json("contexts rm 1 --stream 2");
    assert_eq!(removed["streams"].as_array().unwrap().len(), 2);
    assert_eq!(removed["streams"][1]["statistics"]["ingress"]["received"]["packets"], 50);
    assert_eq!(rig.json("contexts show 1")["generation"], 3);
    let gone = rig.agwctl("contexts rm 1 --stream 2");
    assert!(gone.stderr.contains("no termination has stream 2"), "{}", gone.stderr);
}

#[test]
fn a_call_is_released_once() {
    let rig = Rig::new();
    add(&rig);
    let removed = rig.json("contexts rm 1");
    assert_eq!(removed["context_id"], 1);
    assert_eq!(removed["streams"][0]["statistics"]["ingress"]["received"]["packets"], 50);

    for gone in ["contexts rm 1", "contexts show 1", "stats 1"] {
        let run = rig.agwctl(gone);
        assert_eq!(run.code, 4, "{gone}: {}", run.stderr);
        assert!(run.stderr.ends_with("[UNKNOWN_CONTEXT, H.248 411]\n"), "{}", run.stderr);
    }
}

#[test]
fn a_gateway_that_is_full_or_drains_sends_calls_elsewhere() {
    let rig = Rig::new();
    for _ in 0..2 {
        assert_eq!(rig.agwctl("call add").code, 0);
    }
    let full = rig.agwctl("call add");
    assert_eq!(full.code, 5, "{}", full.stderr);
    assert_eq!(rig.json("drain")["draining"], true);
    let draining = rig.agwctl("call add");
    assert_eq!(draining.code, 5);
    assert!(draining.stderr.contains("[DRAINING, H.248 503]"), "{}", draining.stderr);
}

#[test]
fn tables_name_what_they_show_and_have_no_colours_in_a_pipe() {
    let rig = Rig::new();
    add(&rig);
    for (command, words) in [
        ("status", &["1.2.3", "in service", "1 min 1 s"][..]),
        ("contexts list", &["context", "correlation", "local"]),
        ("contexts show 1", &["1 in realm access", "secured", "AES_CM_128_HMAC_SHA1_80"]),
        ("stats", &["worker", "all", "kernel 1"]),
        ("stats 1", &["leg", "1/1 access", "2/1 core"]),
        ("stats --watch --count 2", &["in pkt/s"]),
        ("capabilities", &["AEAD_AES_256_GCM", "1 of 2", "20000-20099"]),
        ("events", &["context_added", "context 1"]),
    ] {
        let run = rig.agwctl(command);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command}");
        for word in words {
            assert!(run.stdout.contains(word), "{command}: {word}: {}", run.stdout);
        }
        assert!(!run.stdout.contains('\u{1b}'), "{command}");
    }
}
