//! The guide as a book of flows: its blocks, with their names filled in, as requests.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use agw_iq::pb;
use agw_tests::{Endpoint, Gateway, Key};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// One flow of the guide, played step by step.
pub(crate) struct Flow<'a> {
    gateway: &'a Gateway,
    steps: Vec<String>,
    played: usize,
    names: BTreeMap<String, String>,
}

impl<'a> Flow<'a> {
    /// The flow under a heading.
    pub(crate) fn open(gateway: &'a Gateway, heading: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../proto/GUIDE.md");
        let guide = fs::read_to_string(path).expect("the guide");
        let section = section(&guide, heading).expect("a section of the guide");
        let steps: Vec<String> = blocks(section).map(str::to_owned).collect();
        assert!(!steps.is_empty(), "{heading} has steps");
        Self { gateway, steps, played: 0, names: BTreeMap::new() }
    }

    /// Fills in a side's addresses, as `$NAME_rtp` and `$NAME_rtcp`.
    pub(crate) fn side(&mut self, name: &str, endpoint: &Endpoint) {
        let remote = endpoint.remote();
        for (component, address) in [("rtp", remote.rtp), ("rtcp", remote.rtcp)] {
            let pb::SocketAddress { ip, port } = address.expect("an address");
            self.name(&format!("{name}_{component}"), format!("ip: \"{ip}\" port: {port}"));
        }
    }

    /// Fills in a key, as the line in which it stands.
    pub(crate) fn key(&mut self, name: &str, key: &Key) {
        self.name(name, format!("\"{}\"", key.sdes_line(1)));
    }

    /// Fills in a number.
    pub(crate) fn number(&mut self, name: &str, number: u32) {
        self.name(name, number.to_string());
    }

    /// Sends the next step; what it reserves is told.
    pub(crate) fn play(&mut self) -> Vec<pb::TerminationReply> {
        let step = self.steps.get(self.played).expect("one more step");
        self.played += 1;
        let commands = request(&fill_in(step, &self.names)).commands;
        let commands = commands.into_iter().filter_map(|command| command.command).collect();
        let iq = &self.gateway.iq;
        let replies = self.gateway.wait(iq.transact(commands)).expect("a step that is accepted");
        agw_tests::terminations(&replies).into_iter().cloned().collect()
    }

    /// Sends the next step, which reserves, and names the context and its new terminations.
    pub(crate) fn reserve<const N: usize>(&mut self, names: [&str; N]) -> [pb::LocalStream; N] {
        let replies: [_; N] = self.play().try_into().expect("as many terminations");
        for (name, reply) in names.into_iter().zip(&replies) {
            self.number("call", reply.context_id);
            self.number(name, reply.termination_id);
        }
        replies.map(|reply| reply.streams.into_iter().next().expect("a stream"))
    }

    /// Ends the flow: every step of the guide was played.
    pub(crate) fn close(self) {
        assert_eq!(self.played, self.steps.len(), "steps of the guide");
    }

    fn name(&mut self, name: &str, value: String) {
        self.names.insert(name.to_owned(), value);
    }
}

/// A step with the names filled in.
pub(crate) fn fill_in(step: &str, names: &BTreeMap<String, String>) -> String {
    let mut parts = step.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let value = names.get(name);
        text.push_str(value.unwrap_or_else(|| panic!("${name} was not filled in")));
        text.push_str(rest);
    }
    text
}

/// What stands below a heading.
pub(crate) fn section<'a>(guide: &'a str, heading: &str) -> Option<&'a str> {
    guide.split("\n## ").find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'))
}

fn blocks(section: &str) -> impl Iterator<Item = &str> {
    section.split("```textproto\n").skip(1).filter_map(|rest| rest.split("```").next())
}

fn request(text: &str) -> pb::TransactRequest {
    let pool = DescriptorPool::decode(agw_iq::FILE_DESCRIPTOR_SET).expect("descriptors");
    let kind = pool.get_message_by_name("agw.iq.v1.TransactRequest").expect("a message");
    let message = DynamicMessage::parse_text_format(kind, text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"));
    pb::TransactRequest::decode(message.encode_to_vec().as_slice()).expect("a request")
}
