//! T10: calls whose halves meet at the gateway's own ports, set up so that media would go round.

use std::net::{SocketAddr, UdpSocket};

use agw_iq::pb;
use agw_tests::packet::{rtcp, rtp};
use agw_tests::{Call, Gateway, api};
use tonic::Code;

use crate::scene::{ROC, SUITE, Scene};

const TITLE: &str = "relay from the gateway to itself, in circles";

/// A realm whose peers may be at its own ports: by sockets, wherever the test plays.
const MEETING: &str = "[[realm]]\nname = \"meeting\"\naddresses = [\"127.0.0.31\"]\n\
                       ports = \"20200-20299\"\nhairpin = true\n";

/// A call within the realm: its context, and the ports of both legs, RTP's before RTCP's.
struct Half {
    context: u32,
    legs: [[SocketAddr; 2]; 2],
}

impl Half {
    fn new(gateway: &Gateway) -> Self {
        let stream = || pb::Stream {
            stream_id: 1,
            transport: pb::Transport::Plain.into(),
            mode: pb::StreamMode::SendReceive.into(),
            ..pb::Stream::default()
        };
        let reserve = |context| {
            let reserve =
                pb::Reserve { context_id: context, ..api::reserve("meeting", vec![stream()]) };
            let reply = gateway.wait(gateway.iq.reserve(reserve)).expect("a leg");
            let local = &reply.streams[0];
            let at = |address: &Option<pb::SocketAddress>| {
                let address = address.as_ref().expect("a port");
                let port = u16::try_from(address.port).expect("a port");
                SocketAddr::new(address.ip.parse().expect("an address"), port)
            };
            (reply.context_id, [at(&local.rtp), at(&local.rtcp)])
        };
        let (context, first) = reserve(0);
        let (_, second) = reserve(context);
        Self { context, legs: [first, second] }
    }

    /// Signals a leg's peer; a leg listens to the whole network, or latches.
    fn signal(
        &self,
        gateway: &Gateway,
        termination: u32,
        remote: [Option<SocketAddr>; 2],
        latches: bool,
    ) -> Result<(), agw_iq::client::CallError> {
        let address =
            |at: SocketAddr| pb::SocketAddress { ip: at.ip().to_string(), port: at.port().into() };
        let [rtp, rtcp] = remote.map(|remote| remote.map(address));
        let rule = if latches { pb::SourceRule::Latch } else { pb::SourceRule::Signalled };
        let filter = pb::SourceFilter { network: "127.0.0.0/8".to_owned(), ..Default::default() };
        let change = pb::StreamChange {
            remote: Some(pb::RemoteAddress { rtp, rtcp }),
            source: Some(pb::SourcePolicy { rule: rule.into(), within_ms: None }),
            source_filter: (!latches).then_some(filter),
            ..pb::StreamChange::default()
        };
        let change = api::configure(self.context, termination, change);
        gateway.wait(gateway.iq.configure(change)).map(drop)
    }
}

//= tests/spec/relay.md#source
//= type=test
//# A packet from a media port of the gateway itself MUST be discarded unless exactly that port is
//# the signalled source.
#[test]
fn two_calls_that_send_to_each_other_at_both_sides_make_no_circle() {
    let call = |gateway: &Gateway| Call::e2ae_at(gateway, SUITE, ROC);
    let Some(mut scene) = Scene::with("T10", TITLE, &[MEETING], call) else { return };
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let elsewhere = stranger.local_addr().expect("an address");
    for (one_latches, other_latches) in [(false, false), (false, true), (true, false)] {
        let [one, other] = [(); 2].map(|()| Half::new(&scene.gateway));
        let gateway = &scene.gateway;
        let there = |half: &Half, leg: usize| [Some(half.legs[leg][0]), Some(half.legs[leg][1])];
        let nowhere = [Some(elsewhere), None];
        let signal = |half: &Half, leg, remote, latches| {
            half.signal(gateway, leg, remote, latches).expect("a leg that sends there");
        };
        // One leg of each call sends to the other call, the other one hears it.
        signal(&one, 1, there(&other, 0), false);
        signal(&other, 1, nowhere, other_latches);
        signal(&other, 2, there(&one, 1), false);
        signal(&one, 2, nowhere, one_latches);
        let rtcp_back = [Some(elsewhere), Some(other.legs[1][1])];
        let rtp_back = [Some(other.legs[1][0]), Some(elsewhere)];
        for (remote, field) in [(rtp_back, "rtp"), (rtcp_back, "rtcp")] {
            let refused = one.signal(gateway, 2, remote, false).expect_err("a circle is refused");
            assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
            let path = format!("configure.streams[0].remote.{field}");
            assert_eq!(refused.field, Some(path), "{refused:?}");
        }
        let before = scene.settled();
        let legs = [one.legs, other.legs].concat();
        for number in 0..20 {
            for [to_rtp, to_rtcp] in &legs {
                stranger.send_to(&rtp(7, number, 1), to_rtp).expect("a packet");
                stranger.send_to(&rtcp(7, number.into()), to_rtcp).expect("a packet");
            }
        }
        let sent = 20 * 2 * 4;
        scene.goes_on();
        // What the stranger sent, once or twice again at the other call, and the call that goes on.
        let most = before.received + 3 * sent + 200;
        let now = scene.gateway.ledger().after(before.received + sent);
        assert!(now.received <= most, "from {before:?} to {now:?}");
        let after = scene.settled();
        assert!(after.received <= most, "from {before:?} to {after:?}");
        assert!(after.drops("wrong_source") > before.drops("wrong_source"), "{after:?}");
        scene.row.tried(sent);
    }
}
