//! The guide of a SIP server as a book of flows: its requests with their names filled in, and what
//! they bring back, from which names are learnt.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use agw_iq::alg::pb as alg;
use agw_iq::pb;
use agw_srtp::Suite;
use agw_tests::{Endpoint, Gateway, Key};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};

use crate::book::{fill_in, section};

/// One flow of the guide, played step by step.
pub(crate) struct Dialogue<'a> {
    gateway: &'a Gateway,
    steps: Vec<Step>,
    played: usize,
    names: BTreeMap<String, String>,
}

/// A request, and the description that it brings back where the guide shows it.
struct Step {
    procedure: String,
    request: String,
    brings: Option<String>,
}

impl<'a> Dialogue<'a> {
    /// The flow under a heading.
    pub(crate) fn open(gateway: &'a Gateway, heading: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/ALG.md");
        let guide = fs::read_to_string(path).expect("the guide");
        let steps = steps(section(&guide, heading).expect("a section of the guide"));
        assert!(!steps.is_empty(), "{heading} has steps");
        Self { gateway, steps, played: 0, names: BTreeMap::new() }
    }

    /// Fills in where a side receives.
    pub(crate) fn side(&mut self, name: &str, endpoint: &Endpoint) {
        let address = endpoint.address();
        self.names.insert(format!("{name}_ip"), address.ip().to_string());
        self.names.insert(format!("{name}_port"), address.port().to_string());
    }

    /// Fills in a key.
    pub(crate) fn key(&mut self, name: &str, key: &Key) {
        self.names.insert(name.to_owned(), BASE64_STANDARD.encode(&key.octets));
    }

    /// Sends the next step; what it brings back is as the guide shows it.
    pub(crate) fn play(&mut self) {
        let step = self.steps.get(self.played).expect("one more step");
        self.played += 1;
        let text = fill_in(&step.request, &self.names);
        let brought = send(self.gateway, &step.procedure, &text);
        if let Some(pattern) = step.brings.clone() {
            self.learn(&pattern, &String::from_utf8(brought).expect("a description"));
        }
    }

    /// Where the gateway receives on a side, for who is there.
    pub(crate) fn attach(&self, name: &str, endpoint: &mut Endpoint) {
        let of = |what: &str| self.names.get(&format!("{name}_{what}")).expect("a name");
        let rtp = SocketAddr::new(
            of("ip").parse().expect("an address"),
            of("port").parse().expect("a port"),
        );
        let wire = |port: u16| pb::SocketAddress { ip: rtp.ip().to_string(), port: port.into() };
        let (rtp, rtcp) = (Some(wire(rtp.port())), Some(wire(rtp.port() + 1)));
        endpoint.attach(&pb::LocalStream { stream_id: 1, rtp, rtcp });
    }

    /// A key that came back.
    pub(crate) fn learnt(&self, name: &str) -> Key {
        let octets = self.names.get(name).and_then(|text| BASE64_STANDARD.decode(text).ok());
        let octets = octets.expect("a key");
        Key { suite: Suite::AesCm128HmacSha1_80, octets, mki: Vec::new(), srtp_lifetime: 0 }
    }

    /// Ends the flow: every step of the guide was played.
    pub(crate) fn close(self) {
        assert_eq!(self.played, self.steps.len(), "steps of the guide");
    }

    fn learn(&mut self, pattern: &str, found: &str) {
        let (patterns, lines) = (pattern.lines(), found.lines());
        assert_eq!(patterns.clone().count(), lines.clone().count(), "{pattern}\n{found}");
        for (pattern, line) in patterns.zip(lines) {
            let learnt = learnt(pattern, line, &self.names);
            self.names.extend(learnt.unwrap_or_else(|| panic!("{pattern} is not {line}")));
        }
    }
}

/// What a line says about names that are not known yet; none if it is another one.
fn learnt(
    pattern: &str,
    line: &str,
    known: &BTreeMap<String, String>,
) -> Option<Vec<(String, String)>> {
    let mut learnt = Vec::new();
    let (mut words, mut found) = (pattern.split(' '), line.split(' '));
    loop {
        match (words.next(), found.next()) {
            (None, None) => return Some(learnt),
            (Some(word), Some(text)) => {
                let Some((before, name)) = word.split_once('$') else {
                    if word == text {
                        continue;
                    }
                    return None;
                };
                let value = text.strip_prefix(before)?;
                if known.get(name).is_some_and(|known| known != value) {
                    return None;
                }
                learnt.push((name.to_owned(), value.to_owned()));
            }
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
}

fn steps(section: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for block in section.split("```").skip(1).step_by(2) {
        let (head, body) = block.split_once('\n').expect("a block");
        match head.split_once(' ') {
            Some(("textproto", procedure)) => {
                let (procedure, request) = (procedure.to_owned(), body.to_owned());
                steps.push(Step { procedure, request, brings: None });
            }
            Some(_) | None if head == "sdp" => {
                steps.last_mut().expect("a request").brings = Some(body.to_owned());
            }
            Some(_) | None => assert_eq!(head, "mermaid"),
        }
    }
    steps
}

/// Carries a request out; tells the description that it brings back, if it has one.
fn send(gateway: &Gateway, procedure: &str, text: &str) -> Vec<u8> {
    let mut alg = gateway.iq.alg();
    match procedure {
        "Offer" => {
            let answer = gateway.wait(alg.offer(request::<alg::OfferRequest>(procedure, text)));
            answer.expect("an offer").into_inner().sdp
        }
        "Answer" => {
            let answer = gateway.wait(alg.answer(request::<alg::AnswerRequest>(procedure, text)));
            answer.expect("an answer").into_inner().sdp
        }
        "Reject" => {
            let request: alg::RejectRequest = request(procedure, text);
            let _ = gateway.wait(alg.reject(request)).expect("a rejection");
            Vec::new()
        }
        "Delete" => {
            let request: alg::DeleteRequest = request(procedure, text);
            let _ = gateway.wait(alg.delete(request)).expect("an end");
            Vec::new()
        }
        "Register" => {
            let request: alg::RegisterRequest = request(procedure, text);
            let answer = gateway.wait(alg.register(request)).expect("a registration").into_inner();
            assert_eq!(answer.verdict(), alg::RegisterVerdict::GoOn);
            assert_eq!(answer.security_server, ["sdes-srtp;mediasec"]);
            assert!(answer.headers.is_empty());
            Vec::new()
        }
        "RegisterAnswer" => {
            let request: alg::RegisterAnswerRequest = request(procedure, text);
            let answer = gateway.wait(alg.register_answer(request)).expect("an answer");
            assert!(answer.into_inner().registration.is_some());
            Vec::new()
        }
        _ => panic!("no procedure {procedure}"),
    }
}

fn request<M: Message + Default>(procedure: &str, text: &str) -> M {
    let pool = DescriptorPool::decode(agw_iq::FILE_DESCRIPTOR_SET).expect("descriptors");
    let kind = pool.get_message_by_name(&format!("agw.alg.v1.{procedure}Request"));
    let message = DynamicMessage::parse_text_format(kind.expect("a message"), text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    M::decode(message.encode_to_vec().as_slice()).expect("a request")
}
