//! The keys and addresses of descriptions are those of the packets.

use std::net::SocketAddr;

use agw_relay::{Datagram, DropReason, PortId, Verdict};
use agw_sdes::{CryptoAttribute, Mode};
use agw_sdp::{AnswerRequest, Dialogue, OfferRequest};
use agw_srtp::{Engine, Portable, Protector, Unprotector};

use crate::story::options;
use crate::world::World;

const OFFER: Dialogue<'_> = Dialogue { from_tag: "a", to_tag: None, via_branch: None };
const ANSWER: Dialogue<'_> = Dialogue { from_tag: "a", to_tag: Some("b"), via_branch: None };
const K11: &str = "a=crypto:7 AES_CM_128_HMAC_SHA1_80 \
                   inline:WnD7c1ksDGs+dIefCEo8omPg4uO8DYIinNGL5yxQ";
const PLAIN: &[u8] = b"\x80\x08\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07voice of somebody";
const UE: &str = "192.0.2.10:49170";
const CORE: &str = "192.0.2.200:30000";

type Keys = <Portable as Engine>::Keys;

fn description(address: &str, rest: &str) -> String {
    let (ip, port) = address.rsplit_once(':').unwrap();
    format!("v=0\r\no=x 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nm=audio {port} {rest}\r\n")
}

/// Under the line of a description whoever wrote it sends.
pub(crate) fn sender(line: &str) -> Protector<Keys> {
    let line = CryptoAttribute::parse(line, Mode::Strict).unwrap();
    let (keys, parameters) = line.into_egress().unwrap();
    Protector::new(&Portable, keys, parameters, 0).unwrap()
}

pub(crate) fn receiver(line: &str) -> Unprotector<Keys> {
    let line = CryptoAttribute::parse(line, Mode::Strict).unwrap();
    let (keys, parameters) = line.into_ingress().unwrap();
    Unprotector::new(&Portable, keys, parameters, 0).unwrap()
}

/// Where a datagram leaves to, and what leaves.
pub(crate) type Passed = Result<(String, Vec<u8>), DropReason>;

/// Sends a datagram to the address that a description tells.
pub(crate) fn pass(world: &mut World, to: &str, from: &str, octets: &[u8]) -> Passed {
    let told = to.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
    let ip = to.lines().find_map(|line| line.strip_prefix("c=IN IP")?.get(2..)).unwrap();
    let number = told.split(' ').next().unwrap().parse().unwrap();
    let address = SocketAddr::new(ip.parse().unwrap(), number);
    let port = world.ports.open.iter().find(|(_, open)| **open == address);
    let port: PortId = *port.unwrap().0;
    let mut slot = [0; 2048];
    slot[..octets.len()].copy_from_slice(octets);
    let mut batch = [Datagram {
        port,
        source: from.parse().unwrap(),
        slot: &mut slot,
        len: octets.len(),
        traffic_class: 0,
        truncated: false,
        verdict: Verdict::Drop(DropReason::NoFlow),
    }];
    world.relay.handle_batch(&mut batch, world.now);
    let [datagram] = batch;
    match datagram.verdict {
        Verdict::Forward { to, len, .. } => Ok((to.to_string(), datagram.slot[..len].to_vec())),
        Verdict::Drop(reason) => Err(reason),
        Verdict::FanOut(_) | Verdict::Kept => panic!("{:?}", datagram.verdict),
    }
}

#[test]
fn media_passes_with_the_answer_and_not_before_and_is_sealed_where_it_must_be() {
    let mut world = World::new();
    let (near, far) = (&options("access"), &options("core"));
    let offer = description(UE, &format!("RTP/SAVP 8\r\na=3ge2ae:requested\r\n{K11}"));
    let request = OfferRequest {
        dialogue: OFFER,
        sdp: offer.as_bytes(),
        near,
        far,
        rekey: false,
        supersedes: false,
        drops: None,
    };
    let offered = String::from_utf8(world.offer("call", &request).unwrap().sdp.to_vec()).unwrap();
    assert_eq!(pass(&mut world, &offered, CORE, PLAIN), Err(DropReason::IngressGate));
    let answer = description(CORE, "RTP/AVP 8");
    let request =
        AnswerRequest { dialogue: ANSWER, sdp: answer.as_bytes(), status: None, drops: None };
    let answered = String::from_utf8(world.answer("call", &request).unwrap().sdp.to_vec()).unwrap();

    let mut sealed = [0; 256];
    sealed[..PLAIN.len()].copy_from_slice(PLAIN);
    let len = sender(K11).protect_srtp(&Portable, &mut sealed, PLAIN.len()).unwrap();
    let arrived = pass(&mut world, &answered, UE, &sealed[..len]);
    assert_eq!(arrived, Ok((CORE.to_owned(), PLAIN.to_vec())));
    assert!(pass(&mut world, &answered, UE, PLAIN).is_err(), "plain media of a protected side");

    let (to, mut sealed) = pass(&mut world, &offered, CORE, PLAIN).unwrap();
    assert_eq!(to, UE);
    assert_ne!(sealed, PLAIN);
    let k12 = answered.lines().find(|line| line.starts_with("a=crypto")).unwrap();
    let len = sealed.len();
    let opened = receiver(k12).unprotect_srtp(&Portable, &mut sealed, len, world.now).unwrap();
    assert_eq!(&sealed[..opened], PLAIN);
}

//= tests/spec/sdp.md#addresses
//= type=test
//# An author whose address is not known MUST be heard and sent to where its packets come from, as
//# the rule of its leg learns it.
#[test]
fn a_phone_that_names_its_host_is_heard_and_sent_to_where_it_sends_from_with_its_key() {
    let mut world = World::new();
    let (near, far) = (&options("access"), &options("core"));
    let (rekey, supersedes, drops) = (false, false, None);
    let offer = description(UE, &format!("RTP/SAVP 8\r\na=3ge2ae:requested\r\n{K11}"));
    let offer = offer.replace("192.0.2.10", "phone.example.net");
    let sdp = offer.as_bytes();
    let request = OfferRequest { dialogue: OFFER, sdp, near, far, rekey, supersedes, drops };
    let offered = String::from_utf8(world.offer("call", &request).unwrap().sdp.to_vec()).unwrap();
    let answer = description(CORE, "RTP/AVP 8");
    let request = AnswerRequest { dialogue: ANSWER, sdp: answer.as_bytes(), status: None, drops };
    let answered = String::from_utf8(world.answer("call", &request).unwrap().sdp.to_vec()).unwrap();
    let nowhere = pass(&mut world, &offered, CORE, PLAIN);
    assert_eq!(nowhere, Err(DropReason::NoDestination));
    let stranger = pass(&mut world, &answered, "192.0.2.66:4000", PLAIN);
    assert_eq!(stranger, Err(DropReason::Authentication));
    assert_eq!(pass(&mut world, &offered, CORE, PLAIN), Err(DropReason::NoDestination));

    let mut sealed = [0; 256];
    sealed[..PLAIN.len()].copy_from_slice(PLAIN);
    let len = sender(K11).protect_srtp(&Portable, &mut sealed, PLAIN.len()).unwrap();
    assert!(pass(&mut world, &answered, "192.0.2.77:5004", &sealed[..len]).is_ok());

    let (to, _) = pass(&mut world, &offered, CORE, PLAIN).unwrap();
    assert_eq!(to, "192.0.2.77:5004");
}

const T1: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                  inline:BwoNEBMWGRwfIiUoKy4xNDc6PUBDRklMT1JVWFte";
const T1_AT: &str = "192.0.2.201:30000";
const T2_AT: &str = "192.0.2.202:30000";

/// A packet with this sequence number.
fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = PLAIN.to_vec();
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

fn seal(sender: &mut Protector<Keys>, sequence: u16) -> Vec<u8> {
    let (mut sealed, plain) = ([0; 256], packet(sequence));
    sealed[..plain.len()].copy_from_slice(&plain);
    let len = sender.protect_srtp(&Portable, &mut sealed, plain.len()).unwrap();
    sealed[..len].to_vec()
}

/// A call that forks to who took a key and who took none: the offer to both, and what answers it.
fn forked(world: &mut World) -> (String, String) {
    let (near, far) = (&options("core"), &options("access,osrtp"));
    let (rekey, supersedes, drops) = (false, false, None);
    let offer = description(CORE, "RTP/AVP 8");
    let sdp = offer.as_bytes();
    let request = OfferRequest { dialogue: OFFER, sdp, near, far, rekey, supersedes, drops };
    let offered = world.offer("call", &request).unwrap();
    let answered = answered(world, "t1", &description(T1_AT, &format!("RTP/AVP 8\r\n{T1}")));
    (String::from_utf8(offered.sdp.to_vec()).unwrap(), answered)
}

fn answered(world: &mut World, to_tag: &str, answer: &str) -> String {
    let dialogue = Dialogue { to_tag: Some(to_tag), ..OFFER };
    let request = AnswerRequest { dialogue, sdp: answer.as_bytes(), status: None, drops: None };
    String::from_utf8(world.answer("call", &request).unwrap().sdp.to_vec()).unwrap()
}

//= tests/spec/iq.md#late-choices
//= type=test
//# Keys that rested MUST go on where they were when their stream is secured again.
//= tests/spec/sdp.md#opportunistic-protection
//= type=test
//# Of the dialogues of a fork one MUST be plain and another one secured, as each was answered.
#[test]
fn keys_of_a_fork_rest_while_a_plain_callee_is_heard_and_repeat_nothing_afterwards() {
    let mut world = World::new();
    let (to_callees, to_caller) = forked(&mut world);
    let ours = to_callees.lines().find(|line| line.starts_with("a=crypto:1")).unwrap();
    let (mut t1, mut hears) = (sender(T1), receiver(ours));
    let mut captured = Vec::new();
    // Three wraps of the sequence number, both ways.
    for step in 0..14_u16 {
        let sequence = step.wrapping_mul(0x4000);
        captured = seal(&mut t1, sequence);
        let opened = pass(&mut world, &to_callees, T1_AT, &captured).unwrap();
        assert_eq!(opened, (CORE.to_owned(), packet(sequence)));
        let (to, mut sealed) = pass(&mut world, &to_caller, CORE, &packet(sequence)).unwrap();
        let len = sealed.len();
        assert_eq!(to, T1_AT);
        hears.unprotect_srtp(&Portable, &mut sealed, len, world.now).unwrap();
    }

    answered(&mut world, "t2", &description(T2_AT, "RTP/AVP 8"));
    let from_t2 = pass(&mut world, &to_callees, T2_AT, &packet(9)).unwrap();
    assert_eq!(from_t2, (CORE.to_owned(), packet(9)));
    let to_t2 = pass(&mut world, &to_caller, CORE, &packet(0x4001)).unwrap();
    assert_eq!(to_t2, (T2_AT.to_owned(), packet(0x4001)), "in clear");
    assert_eq!(
        pass(&mut world, &to_callees, T1_AT, &seal(&mut t1, 0x4001)),
        Err(DropReason::WrongSource)
    );

    answered(&mut world, "t1", &description(T1_AT, &format!("RTP/AVP 8\r\n{T1}")));
    assert!(pass(&mut world, &to_callees, T2_AT, &packet(10)).is_err(), "plain again");
    assert_eq!(pass(&mut world, &to_callees, T1_AT, &captured), Err(DropReason::Replay));
    assert!(pass(&mut world, &to_callees, T1_AT, &seal(&mut t1, 0x4002)).is_ok());
    let repeated = pass(&mut world, &to_caller, CORE, &packet(0x4000));
    assert_eq!(repeated, Err(DropReason::IndexReused));
    let (to, mut sealed) = pass(&mut world, &to_caller, CORE, &packet(0x4002)).unwrap();
    let len = sealed.len();
    assert_eq!(to, T1_AT);
    let opened = hears.unprotect_srtp(&Portable, &mut sealed, len, world.now).unwrap();
    assert_eq!(&sealed[..opened], packet(0x4002));
}
