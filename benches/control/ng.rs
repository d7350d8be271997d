//! Calls over ng: offer, answer and delete, many calls under way at once over one socket.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;

use agw_iq::client::IqClient;

use super::gateway::Gateway;
use super::talk::Talkers;
use super::{KEY_AND_SALT, Options};

/// A call gets an offer, an answer and a delete.
const STEPS: u64 = 3;
/// A reply that has not come after this never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// A call of which a request waits for its reply.
struct Underway {
    call: u64,
    step: u64,
    at: Instant,
}

/// Calls that talk beside it.
const TALKING: u32 = 100;

/// Sets calls up and ends them, and tells how many a second, and how long replies took: alone, and
/// while media runs.
pub(crate) async fn measure(gateway: &Gateway, options: &Options) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(gateway.ng.as_deref().unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut next = 0;
    run(&socket, options.outstanding(), &mut next, Duration::from_secs(1));
    tell(gateway, &socket, options, &mut next);
    let client = IqClient::connect(&gateway.address, None).await.unwrap();
    let talkers = Talkers::set_up(&client, TALKING, true, 0).await;
    println!("beside {TALKING} calls that talk over SRTP:");
    let talk = talkers.talk(0);
    tell(gateway, &socket, options, &mut next);
    talk.end("media");
}

fn tell(gateway: &Gateway, socket: &UdpSocket, options: &Options, next: &mut u64) {
    let before = gateway.threads();
    let started = Instant::now();
    let long = Duration::from_secs(options.seconds);
    let (calls, took) = run(socket, options.outstanding(), next, long);
    let seconds = started.elapsed().as_secs_f64();
    println!("calls over ng: {:.0} a second", calls as f64 / seconds);
    let mut total = 0.0;
    for (thread, since) in gateway.threads().iter().zip(&before) {
        let cost = (thread.on_cpu - since.on_cpu) as f64 / 1e3 / calls as f64;
        total += cost;
        if cost >= 0.05 {
            println!("{:16} {cost:.1} us a call", thread.name);
        }
    }
    println!("{:16} {total:.1} us a call: {:.0} calls/s on one core", "gateway", 1e6 / total);
    let us = |share| took.value_at_quantile(share) / 1_000;
    println!("replies: p50 {} us, p99 {} us, p99.9 {} us", us(0.5), us(0.99), us(0.999));
}

fn run(
    socket: &UdpSocket,
    outstanding: usize,
    next: &mut u64,
    long: Duration,
) -> (u64, Histogram<u64>) {
    let mut took = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let mut under_way: Vec<Option<Underway>> = Vec::new();
    let started = Instant::now();
    let begin = |place: usize, next: &mut u64| {
        *next += 1;
        let underway = Underway { call: *next, step: 0, at: Instant::now() };
        send(socket, place, &underway);
        Some(underway)
    };
    for place in 0..outstanding {
        under_way.push(begin(place, next));
    }
    let (mut calls, mut buffer) = (0, vec![0; 65_535]);
    while under_way.iter().any(Option::is_some) {
        let len = socket.recv(&mut buffer).unwrap();
        let reply = std::str::from_utf8(&buffer[..len]).unwrap();
        let place: usize = reply.split('_').next().unwrap().parse().unwrap();
        assert!(reply.contains("6:result2:ok"), "{reply}");
        let mut underway = under_way[place].take().unwrap();
        took.record(u64::try_from(underway.at.elapsed().as_nanos()).unwrap()).unwrap();
        underway.step += 1;
        if underway.step < STEPS {
            underway.at = Instant::now();
            send(socket, place, &underway);
            under_way[place] = Some(underway);
            continue;
        }
        calls += 1;
        if started.elapsed() < long {
            under_way[place] = begin(place, next);
        }
    }
    (calls, took)
}

fn send(socket: &UdpSocket, place: usize, underway: &Underway) {
    let Underway { call, step, at: _ } = underway;
    let sdp = |profile: &str, port: u16, more: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {port} {profile} 8\r\na=rtcp-mux\r\n{more}"
        )
    };
    let string = |text: &str| format!("{}:{text}", text.len());
    let id = string(&format!("bench-{call}"));
    let more = match step {
        0 => {
            let mut key = [0; KEY_AND_SALT];
            rand::fill(&mut key);
            let key = BASE64_STANDARD.encode(key);
            let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
            let sdp = string(&sdp("RTP/SAVP", 9_000, &line));
            format!(
                "7:command5:offer9:directionl6:access4:coree\
                 3:sdp{sdp}18:transport-protocol7:RTP/AVP"
            )
        }
        1 => format!("7:command6:answer6:to-tag4:core3:sdp{}", string(&sdp("RTP/AVP", 9_002, ""))),
        _ => "7:command6:delete".to_owned(),
    };
    let datagram = format!("{place}_{call}_{step} d7:call-id{id}8:from-tag5:phone{more}e");
    socket.send(datagram.as_bytes()).unwrap();
}
