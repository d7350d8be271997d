//! Calls by their session descriptions.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::gateway::Rig;

const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const ANSWER: &str = "v=0\r\no=- 2 1 IN IP4 127.0.0.3\r\ns=-\r\nc=IN IP4 127.0.0.3\r\nt=0 0\r\n\
                      m=audio 40000 RTP/AVP 8\r\n";
pub(crate) const OFFER: &str = "alg offer call-1 a --offerer access --offerer-realm access --offerer-protected \
     --answerer core --answerer-realm core --sdp -";

pub(crate) fn offer() -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n\
         m=audio 30000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n\
         a=3ge2ae:requested\r\n"
    )
}

/// A call that stands.
pub(crate) fn call(rig: &Rig) {
    assert_eq!(rig.agwctl_with(OFFER, &offer()).code, 0);
    assert_eq!(rig.agwctl_with("alg answer call-1 a b --sdp -", ANSWER).code, 0);
}

#[test]
fn a_call_is_offered_answered_shown_and_ended() {
    let rig = Rig::new();
    let offered = rig.agwctl_with(&format!("{OFFER} --out -"), &offer());
    assert_eq!((offered.code, offered.stderr.as_str()), (0, ""));
    assert!(offered.stdout.contains("m=audio 21"), "{}", offered.stdout);
    assert!(offered.stdout.contains(" RTP/AVP 8\r\n") && !offered.stdout.contains("crypto"));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("to-caller");
    let answer = format!(
        "--output json alg answer call-1 a b --status 200 --sdp - --out {}",
        path.display()
    );
    let answered = rig.agwctl_with(&answer, ANSWER);
    assert_eq!((answered.code, answered.stderr.as_str()), (0, ""));
    let shown: serde_json::Value = serde_json::from_str(&answered.stdout).unwrap();
    let written = fs::read_to_string(&path).unwrap();
    let (line, _) = written.split_once("inline:").expect("a key");
    assert!(shown["sdp"].as_str().unwrap().starts_with(&format!("{line}inline:...\r\n")));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(shown["streams"][0]["transport"], "secured");

    let queried = rig.json("alg query call-1");
    assert_eq!(queried["calls"][0]["dialogues"][0]["callee_tag"], "b");
    assert_eq!(queried["calls"][0]["context_id"], shown["context_id"]);
    let deleted = rig.json("alg delete call-1");
    assert_eq!(deleted["context_ids"][0], shown["context_id"]);
    let unknown = rig.agwctl("alg query call-1");
    assert_eq!(unknown.code, 4);
    assert!(unknown.stderr.ends_with(" [UNKNOWN_CALL]\n"), "{}", unknown.stderr);
}

#[test]
fn no_key_is_shown_unless_a_description_is_asked_for() {
    let rig = Rig::new();
    call(&rig);
    let again =
        "alg offer call-1 a b --offerer core --answerer access --answerer-protected --sdp -";
    let mut shown = rig.agwctl_with(again, ANSWER).stdout;
    shown += &rig.agwctl_with(&format!("--output json {again}"), ANSWER).stdout;
    for command in ["alg query call-1", "--output json alg query call-1", "alg delete call-1"] {
        shown += &rig.agwctl(command).stdout;
    }
    assert!(!shown.contains(KEY), "{shown}");
    assert_eq!(shown.matches("inline:").count(), shown.matches("inline:...").count(), "{shown}");
    let refused = rig.agwctl_with(&OFFER.replace(" --offerer-protected", ""), &offer());
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.ends_with(" [UNPROTECTED_SIGNALLING]\n"), "{}", refused.stderr);
    assert!(!refused.stderr.contains(KEY), "{}", refused.stderr);
}

#[test]
fn an_offer_that_is_rejected_leaves_what_was_before() {
    let rig = Rig::new();
    call(&rig);
    assert_eq!(rig.agwctl_with(&OFFER.replace(" a ", " a b "), &offer()).code, 0);
    let rejected = rig.json("alg reject call-1 a b");
    assert_eq!((&rejected["sdp"], rejected["streams"].as_array().unwrap().len()), (&().into(), 2));
    let table = rig.agwctl("alg query call-1").stdout;
    assert!(table.contains("a to b") && table.contains("secured"), "{table}");
}

#[test]
fn names_of_calls_come_page_by_page_and_registrations_by_their_ue() {
    let rig = Rig::new();
    let calls = rig.json("alg list");
    let calls = calls["calls"].as_array().unwrap();
    assert_eq!((calls.len(), &calls[1_000]["call_id"]), (1_001, &"call-1000".into()));
    let registration = rig.json("alg registration alice");
    assert_eq!(registration["mechanisms"][0], "sdes_srtp");
    let nobody = rig.agwctl("alg registration bob");
    assert_eq!(nobody.code, 4);
    assert_eq!(nobody.stderr, "agwctl: alg registration: nothing was agreed with this UE\n");
    let missing = rig.agwctl("alg answer call-1 a b --sdp /nowhere");
    assert_eq!(missing.code, 2, "{}", missing.stderr);
}
