//! Requests and replies as they stand in `golden/`, in the octets of the wire: each file has
//! blocks of a request, what is read of it, and the reply, apart by empty lines.

use std::fmt::Write as _;

use agw_ng::reply::{
    self, CallReport, PartyReport, QualityReport, Sealing, Statistics, StreamReport, Traffic,
};
use agw_ng::{Message, Octets, Overload, Request, Value};

/// The reply that a gateway with one call gives.
fn answered(request: Result<Request, agw_ng::Refusal>) -> Value {
    match request {
        Err(refusal) => reply::error(&refusal),
        Ok(Request::Ping) => reply::pong(),
        Ok(Request::Offer(offer) | Request::Answer(offer)) => match offer.call_id.as_str() {
            "full" => reply::overload(Overload::Sessions, offer.options.knows_load_limit),
            "ports" => reply::overload(Overload::Ports, offer.options.knows_load_limit),
            _ => reply::signalled(Octets::new(b"v=0\r\n".to_vec()), Some(7)),
        },
        Ok(Request::Delete(delete)) if delete.call_id == "call" => reply::query(&call()),
        Ok(Request::Delete(delete)) if delete.fatal => reply::error(&agw_ng::Refusal::UnknownCall),
        Ok(Request::Delete(_)) => reply::unknown_call(),
        Ok(Request::Query(query)) if query.call_id == "call" => reply::query(&call()),
        Ok(Request::Query(_)) => reply::error(&agw_ng::Refusal::UnknownCall),
        Ok(Request::List { limit }) => {
            let calls = ["call".to_owned(), "other".to_owned()];
            reply::list(&calls[..limit.min(2)])
        }
        Ok(Request::Statistics) => {
            reply::statistics(&Statistics { contexts: 3, ..Statistics::default() })
        }
    }
}

fn call() -> CallReport {
    let stream = |termination, secured: bool| StreamReport {
        line: 0,
        media: "audio",
        secured,
        local: ("192.0.2.1:4000".parse().unwrap(), Some("192.0.2.1:4001".parse().unwrap())),
        remote: Some("198.51.100.2:5000".parse().unwrap()),
        ssrc: Some(305_419_896),
        rtp: Traffic { packets: 50, bytes: 8_600, errors: 1 },
        rtcp: Traffic { packets: 2, bytes: 120, errors: 0 },
        srtp: Sealing { opened: 50, sealed: 49, authentication_failures: 1, replays: 0 },
        quality: secured.then_some(QualityReport {
            mos: 43,
            packet_loss: 1,
            jitter: 4,
            round_trip: 21_000,
            samples: 3,
        }),
        termination,
    };
    let party = |tag: &str, other: &str, termination, secured: bool| PartyReport {
        tag: tag.to_owned(),
        other: Some(other.to_owned()),
        label: secured.then(|| "phone".to_owned()),
        streams: vec![stream(termination, secured)],
    };
    CallReport {
        created: 1_700_000_000,
        contexts: vec![7],
        parties: vec![party("from", "to", 1, true), party("to", "from", 2, false)],
    }
}

#[test]
fn requests_are_answered_as_written_down() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut pairs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let told = std::fs::read_to_string(&path).unwrap();
        let mut written = String::new();
        for block in told.split("\n\n").filter(|block| !block.trim().is_empty()) {
            let request = block.trim_start().lines().next().unwrap();
            let message = Message::parse(request.as_bytes()).unwrap();
            let (cookie, form) = (message.cookie, message.form);
            let read = Request::read(message.body);
            let name = read.as_ref().map_or("refused", Request::name);
            let octets = reply::write(cookie, form, &answered(read));
            let reply =
                String::from_utf8(octets.to_vec()).unwrap().replace("\r\n", "\u{240d}\u{240a}");
            writeln!(written, "{request}\n{name}\n{reply}\n").unwrap();
            pairs += 1;
        }
        if std::env::var_os("AGW_UPDATE_NG").is_some() {
            std::fs::write(&path, written.trim_end()).unwrap();
            continue;
        }
        assert_eq!(told.trim_end(), written.trim_end(), "{}", path.display());
    }
    assert!(pairs >= 12, "{pairs}");
}
