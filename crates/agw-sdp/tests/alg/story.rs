//! A call as a text: requests with their descriptions, and what comes of them.

use agw_sdes::Mode;
use agw_sdp::{
    AnswerRequest, Dialogue, MuxRule, OfferRequest, OfferedSrtp, Protection, SideOptions,
    Signalled, Unencrypted,
};
use agw_srtp::Suite;

use crate::world::{Failure, World};

/// Tells a story: each request stands on a line that begins with `=== `, its description below
/// it; what comes of it is written after `---`, whatever stood there before but for remarks, which
/// begin with `# `.
pub(crate) fn tell(world: &mut World, text: &str) -> String {
    let mut told = String::new();
    for (position, part) in text.split("=== ").enumerate() {
        if position == 0 {
            told += part;
            continue;
        }
        let (head, body) = part.split_once('\n').unwrap();
        let (body, before) = body.split_once("---\n").unwrap();
        told += &format!("=== {head}\n{body}---\n{}", request(world, head, body));
        let remarks = before.lines().filter(|line| line.starts_with("# "));
        told.extend(remarks.map(|line| format!("{line}\n")));
    }
    told
}

fn request(world: &mut World, head: &str, body: &str) -> String {
    let sdp = body.replace('\n', "\r\n");
    let mut words = head.split_ascii_whitespace();
    let verb = words.next().unwrap();
    let words: Vec<&str> = words.collect();
    let word =
        |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let from_tag = word("from").unwrap_or("a");
    let dialogue = Dialogue { from_tag, to_tag: word("to"), via_branch: word("via") };
    world.policy.mode = match words.contains(&"strict") {
        true => Mode::Strict,
        false => Mode::Tolerant,
    };
    world.policy.sdes.allow_f8 = words.contains(&"f8");
    world.policy.sdes.allow_unencrypted = words.contains(&"unencrypted");
    let side = |name: &str| word(name).map_or_else(|| SideOptions::core(None), options);
    let (sdp, drops) = (sdp.as_bytes(), word("drops").map(|drops| drops == "yes"));
    let done = match verb {
        "offer" => {
            let (near, far, rekey) = (side("near"), side("far"), words.contains(&"rekey"));
            let supersedes = words.contains(&"supersedes");
            let (near, far) = (&near, &far);
            let request = OfferRequest { dialogue, sdp, near, far, rekey, supersedes, drops };
            world.offer("call", &request)
        }
        "answer" => {
            let status = word("status").map(|status| status.parse().unwrap());
            world.answer("call", &AnswerRequest { dialogue, sdp, status, drops })
        }
        "reject" => world.reject("call", &dialogue),
        "delete" => world.delete("call", &dialogue),
        "end" => world.end("call", &dialogue),
        other => panic!("no such request: {other}"),
    };
    outcome(world, done)
}

/// A side by its name, with changes after commas: `access,osrtp`.
pub(crate) fn options(text: &str) -> SideOptions {
    let mut words = text.split(',');
    let name = words.next().unwrap();
    let realm = Some(name.to_owned());
    let mut side = match name {
        "access" => SideOptions::access(realm),
        "core" => SideOptions::core(realm),
        other => panic!("no such side: {other}"),
    };
    for word in words {
        match word {
            "terminate" => side.offered_srtp = OfferedSrtp::Terminate,
            "pass" => side.offered_srtp = OfferedSrtp::PassOn,
            "plain" => side.protection = Protection::Plain,
            "osrtp" => side.protection = Protection::Opportunistic,
            "unindicated" => side.indicates_e2ae = false,
            "avp" => side.feedback = Some(false),
            "avpf" => side.feedback = Some(true),
            "mux" => side.mux = MuxRule::Accept,
            "mux-required" => side.mux = MuxRule::Require,
            "unencrypted" => side.unencrypted = Unencrypted { srtp: true, srtcp: true },
            "clear" => side.protected_signalling = false,
            "around" => side.end_to_end_past_gateway = true,
            "v6" => side.family = Some(agw_context::Family::V6),
            "aes256" => side.suites = vec![Suite::AesCm256HmacSha1_80],
            other => panic!("no such option: {other}"),
        }
    }
    side
}

fn outcome(world: &World, done: Result<Signalled, Failure>) -> String {
    let commands = world.commands.lines().map(|line| format!("> {line}\n"));
    let mut text: String = commands.collect();
    match done {
        Ok(done) => {
            text += str::from_utf8(&done.sdp).unwrap().replace("\r\n", "\n").as_str();
            if done.rekey_advised {
                text += "! a new offer with fresh keys is advised\n";
            }
        }
        Err(Failure::Alg(error)) => {
            text += &format!("! {} {}: {error}\n", error.sip_status(), error.reason());
        }
        Err(Failure::Gateway(refused)) => {
            text += &format!("! the gateway refuses: {}\n", refused.error);
        }
    }
    text + "\n"
}
