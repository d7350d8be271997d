//! "Put agw next to Kamailio in ten minutes" (`proto/KAMAILIO.md`), done as it stands there, in a
//! network of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use agw_testkit::peer;
use agw_tests::{Daemon, Program};

#[test]
fn what_the_page_says_leads_to_a_secured_call() {
    for program in ["kamailio", "sipp", "curl", "unshare"] {
        if peer::program(program).is_none() {
            return;
        }
    }
    if !makes_networks() {
        return peer::skip("network namespaces");
    }
    let page = page();
    let directory = tempfile::Builder::new().prefix("agw-test-").tempdir().expect("a directory");
    let place = directory.path();
    for (language, file) in [("toml", "agwd.toml"), ("kamailio", "kamailio.cfg")] {
        let text = blocks(&page, language);
        assert_eq!(text.len(), 1, "{file}");
        fs::write(place.join(file), &text[0]).expect("a file of the page");
    }
    symlink(Path::new(env!("CARGO_MANIFEST_DIR")), place.join("tests")).expect("the scenarios");
    let steps = blocks(&page, "sh");
    let [check, start, call, look, end] = steps.as_slice() else {
        panic!("{} steps", steps.len());
    };
    // Who reads the page looks at the call when it is there.
    let there = "until agwctl contexts list | grep try@127.0.0.1; do sleep 0.1; done\n";
    let script =
        ["set -e\nip link set lo up\n", check, start, call, there, look, "echo ENDS\n", end]
            .concat();
    fs::write(place.join("page.sh"), script).expect("the commands of the page");

    let output = run(place);

    let (during, after) = output.split_once("ENDS\n").expect("the end of the call");
    assert!(during.contains("config file ok"), "{output}");
    assert!(during.contains("disabled: 0"), "{output}");
    assert!(during.contains("AES_CM_128_HMAC_SHA1_80"), "{output}");
    assert!(
        during.contains("agw_ng_requests_total{command=\"answer\",result=\"ok\"} 1"),
        "{output}"
    );
    assert!(!after.contains("try@"), "{output}");
}

#[test]
fn what_the_page_says_is_logged_is_what_kamailio_and_the_gateway_log() {
    let Some(kamailio) = peer::program("kamailio") else { return };
    let page = page();
    let tables: Vec<&str> = page.split("| means |").skip(1).collect();
    let [of_kamailio, of_gateway] = tables.as_slice() else { panic!("{} tables", tables.len()) };
    let modules = PathBuf::from("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let module = modules.join("kamailio/modules/rtpengine.so");
    let module = fs::read(&module).unwrap_or_else(|error| {
        panic!("the rtpengine module of {}: {error}", kamailio.display());
    });
    let gateway = fs::read(Daemon::executable()).expect("the daemon");
    let holds = |octets: &[u8], text: &str| {
        octets.windows(text.len()).any(|window| window == text.as_bytes())
    };
    for (table, octets) in [(of_kamailio, &module), (of_gateway, &gateway)] {
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let words: Vec<&str> = rows.collect();
        assert!(words.len() >= 5, "{words:?}");
        for word in words {
            assert!(holds(octets, word), "{word}");
        }
    }
}

fn page() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/KAMAILIO.md");
    fs::read_to_string(file).expect("the page")
}

/// The blocks of the page in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let rest = page.split(opening.as_str()).skip(1);
    rest.filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

/// Whether this user may make a network and processes of its own.
fn makes_networks() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs the commands of the page; whatever they start ends with them.
fn run(place: &Path) -> String {
    let built = Daemon::executable();
    let built = built.parent().expect("a directory of programs");
    let path = format!("{}:{}", built.display(), std::env::var("PATH").expect("a search path"));
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "--kill-child", "bash", "page.sh"]);
    command.current_dir(place).env("PATH", path);
    let finished = Program::start(&mut command, place).finish();
    assert!(finished.status.success(), "{}", finished.output);
    finished.output
}
