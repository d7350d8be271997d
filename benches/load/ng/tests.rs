//! The protocol against answers recorded from rtpengine 10.5.3.5, octet by octet.

use std::net::SocketAddr;
use std::time::Duration;

use agw_sdes::{CryptoAttribute, CryptoTag, Mode};
use agw_srtp::Suite;
use tokio::net::UdpSocket;

use super::client::{read_reply, split_cookie};
use super::message::Reply;
use super::*;

const PONG: &[u8] = include_bytes!("recorded/pong.bencode");
const OFFER: &[u8] = include_bytes!("recorded/offer.bencode");
const ANSWER: &[u8] = include_bytes!("recorded/answer.bencode");
const STATISTICS: &[u8] = include_bytes!("recorded/statistics.bencode");
const DELETE: &[u8] = include_bytes!("recorded/delete.bencode");
const DELETE_UNKNOWN: &[u8] = include_bytes!("recorded/delete-unknown.bencode");
const ERROR: &[u8] = include_bytes!("recorded/error.bencode");

/// So short that a lost request costs a test no time.
const HASTY: Retry = Retry { patience: Duration::from_millis(20), tries: 8 };

fn recorded(datagram: &[u8]) -> Result<Reply, NgError> {
    let (_, body) = split_cookie(datagram, "c").unwrap();
    read_reply(body)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_recorded_answers_are_understood() {
    assert_eq!(recorded(PONG).unwrap().result, "pong");
    assert_eq!(recorded(DELETE).unwrap().warning, None);
    let unknown = recorded(DELETE_UNKNOWN).unwrap().warning;
    assert_eq!(unknown.as_deref(), Some("Call-ID not found or tags didn't match"));
    let statistics = recorded(STATISTICS).unwrap().statistics.unwrap();
    assert_eq!((statistics.total.relayed, statistics.total.errors), (11, 0));
}

#[test]
fn a_recorded_refusal_is_an_error_with_its_reason() {
    let Err(NgError::Refused(reason)) = recorded(ERROR) else {
        panic!("a refusal is no reply");
    };
    assert_eq!(reason, "No SDP body in message");
}

#[test]
fn the_port_and_the_key_of_a_recorded_answer_are_found() {
    let plain = recorded(OFFER).unwrap().sdp.unwrap();
    let plain = sdp::read(&plain).unwrap();
    assert_eq!(plain.rtp, address("127.0.0.1:43000"));
    assert_eq!(plain.rtcp, plain.rtp);
    assert!(plain.crypto.is_none());

    let secured = recorded(ANSWER).unwrap().sdp.unwrap();
    let secured = sdp::read(&secured).unwrap();
    assert_eq!(secured.rtp, address("127.0.0.1:43018"));
    let crypto = secured.crypto.unwrap();
    assert_eq!(crypto.known_suite(), Some(Suite::AesCm128HmacSha1_80));
    let line = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                inline:7CVYksRY3+nYDpOYGD3SXfAXjnLe3UX1q1lQsGCS";
    assert_eq!(crypto.expose_line().as_str(), line);
}

#[test]
fn rtcp_has_the_next_port_unless_the_description_says_otherwise() {
    let with = |line: &str| {
        let text = format!("c=IN IP6 2001:db8::1\r\nm=audio 7000 RTP/AVP 8\r\n{line}");
        sdp::read(&text).unwrap()
    };
    assert_eq!(with("").rtcp, address("[2001:db8::1]:7001"));
    assert_eq!(with("a=rtcp:7005\r\n").rtcp, address("[2001:db8::1]:7005"));
    assert_eq!(with("a=rtcp-mux\r\n").rtcp, address("[2001:db8::1]:7000"));
}

#[test]
fn a_description_that_cannot_be_used_says_why() {
    let error = |text: &str| sdp::read(text).unwrap_err().to_string();
    assert_eq!(error("m=audio 7000 RTP/AVP 8\r\n"), "no readable `c=` line");
    assert_eq!(error("c=IN IP4 127.0.0.1\r\nm=video 1 X 1"), "no readable `m=audio` line");
    assert_eq!(error("c=IN IP4 127.0.0.1\r\nm=audio 0 X 1"), "the stream was refused");
    let short = "c=IN IP4 127.0.0.1\r\nm=audio 8 X 1\r\n\
                 a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n";
    assert!(error(short).starts_with("the key line is invalid"), "{}", error(short));
}

#[test]
fn a_description_of_ours_is_read_back_as_it_was_meant() {
    let mut octet = 0;
    let mut random = |octets: &mut [u8]| {
        octets.fill_with(|| {
            octet += 1;
            octet
        })
    };
    let tag = CryptoTag::new(1).unwrap();
    let key = CryptoAttribute::generate(tag, Suite::AesCm128HmacSha1_80, &mut random).unwrap();
    let here = address("[2001:db8::2]:31000");

    let written = sdp::describe(here, true, Some(&key));

    let read = sdp::read(&written).unwrap();
    assert_eq!((read.rtp, read.rtcp), (here, here));
    assert!(read.crypto.unwrap().shares_key_with(&key));
    assert!(written.contains("m=audio 31000 RTP/SAVP 8\r\n"));
    assert!(CryptoAttribute::parse(written.lines().last().unwrap(), Mode::Strict).is_ok());
}

#[test]
fn a_cookie_of_somebody_else_is_not_ours() {
    assert_eq!(split_cookie(b"a_7 de", "a"), Some((7, &b"de"[..])));
    for other in [&b"b_7 de"[..], b"a7 de", b"a_x de", b"a_7", b""] {
        assert_eq!(split_cookie(other, "a"), None);
    }
}

#[tokio::test]
async fn a_lost_request_goes_out_again_with_the_same_cookie() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = Client::connect(server.local_addr().unwrap(), "t", HASTY).await.unwrap();
    let answer = tokio::spawn(async move {
        let mut octets = [0; 100];
        let (first, _) = server.recv_from(&mut octets).await.unwrap();
        let lost = octets[..first].to_vec();
        let (again, from) = server.recv_from(&mut octets).await.unwrap();
        assert_eq!(lost, octets[..again]);
        assert_eq!(lost, b"t_0 d7:command4:pinge");
        // Noise first, then the reply, twice.
        for datagram in [&b"x"[..], b"t_9 d6:result4:ponge", b"t_0 d6:result4:ponge"] {
            server.send_to(datagram, from).await.unwrap();
        }
        server.send_to(b"t_0 d6:result4:ponge", from).await.unwrap();
    });

    let reply = client.ask(&Request::Ping).await.unwrap();

    assert_eq!(reply.result, "pong");
    answer.await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_an_error_after_some_time() {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let client = Client::connect(nobody.local_addr().unwrap(), "t", HASTY).await.unwrap();

    let asked = client.ask(&Request::Ping).await;

    assert!(matches!(asked, Err(NgError::Silence)));
}
