use std::net::UdpSocket;

use super::protocol::Counted;
use super::*;

const HERE: &str = "127.0.0.1:0";

#[test]
fn datagrams_go_through_as_they_are_until_the_call_ends() {
    let worker = Worker::start(Duration::ZERO).unwrap();
    let here: SocketAddr = HERE.parse().unwrap();
    let parties = [(); 2].map(|()| UdpSocket::bind(HERE).unwrap());
    let [phone, core] = &parties;
    for party in &parties {
        party.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    let ask = |request| answer(&worker, [here, here], request).unwrap();
    let set_up = || {
        let access_peer = phone.local_addr().unwrap();
        ask(Request::SetUp { access_peer, core_peer: core.local_addr().unwrap() })
    };
    let Answer::Placed { call, access, core: core_port } = set_up() else {
        panic!("not set up");
    };

    let mut octets = [0; 100];
    for _ in 0..100 {
        phone.send_to(b"up", access).unwrap();
        let (length, from) = core.recv_from(&mut octets).unwrap();
        assert_eq!((&octets[..length], from), (&b"up"[..], core_port));
        core.send_to(b"down", core_port).unwrap();
        let (length, from) = phone.recv_from(&mut octets).unwrap();
        assert_eq!((&octets[..length], from), (&b"down"[..], access));
    }

    let counted = Counted { received: 200, sent: 200, ..Counted::default() };
    assert_eq!(ask(Request::Count), Answer::Counted(counted));
    assert_eq!(ask(Request::Release { call }), Answer::Released);
    assert!(matches!(ask(Request::Release { call }), Answer::Refused { .. }));
    assert!(matches!(set_up(), Answer::Placed { call: again, .. } if again == call));
    worker.stop().unwrap();
}

#[test]
fn requests_and_answers_are_lines_until_the_input_ends() {
    let request = serde_json::to_string(&Request::Count).unwrap();
    let input = format!("{request}\n{request}\n");
    let mut output = Vec::new();

    let here = HERE.parse().unwrap();
    serve(Duration::ZERO, [here, here], input.as_bytes(), &mut output).unwrap();

    let lines: Vec<Answer> =
        output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(lines, [(); 2].map(|()| Answer::Counted(Counted::default())));
    assert!(serve(Duration::ZERO, [here, here], &b"nonsense\n"[..], &mut output).is_err());
}
