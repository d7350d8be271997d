//! Calls whose halves meet at the gateway itself: whatever is asked for, no packet goes round.

mod wishes;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use agw_context::{
    Change, Command, Configure, ContextChoice, ContextId, ContextView, Policy, RealmAddress,
    RealmConfig, Remote, Reply, Reserve, RtcpMode, SourcePolicy, StreamChange, StreamExtrasChange,
    StreamView, TerminationReply,
};
use agw_relay::{Datagram, Network, PortId, Relay, SourceFilter, Transport, Verdict};
use agw_srtp::Portable;
use proptest::prelude::*;

use crate::streams::unchanged;
use crate::support::{Plane, World, realm, reserve};
use wishes::wish;

/// Somebody who is not the gateway.
const ELSEWHERE: &str = "198.51.100.1:5000";
/// Media ports of each realm: few, so that one that is guessed is often taken.
const PORTS: u16 = 12;
/// No packet passes so many contexts unless it goes round.
const FAR: usize = 12;

/// A gateway of two realms that hairpin and one that does not, over a network that carries what it
/// sends to itself.
struct Hall {
    plane: Plane,
    /// Terminations in the order in which they came.
    known: Vec<TerminationReply>,
}

/// Whom a leg listens to.
#[derive(Debug, Clone, Copy)]
enum Ear {
    Signalled,
    Latching,
    Filtering,
}

/// Those that may hear others than the signalled one.
const EARS: [Ear; 2] = [Ear::Latching, Ear::Filtering];

/// A component and how both travel.
const WAYS: [(RtcpMode, bool); 3] =
    [(RtcpMode::Mux, false), (RtcpMode::Pair, false), (RtcpMode::Pair, true)];

impl Hall {
    fn new(ports: u16) -> Self {
        let of = |name: &str, octet, first: u16, hairpin| {
            let bind = IpAddr::from([192, 0, 2, octet]);
            let addresses = vec![RealmAddress { bind, advertise: None }];
            RealmConfig { addresses, hairpin, ..realm(name, first..=first + ports - 1) }
        };
        let realms = vec![
            of("core", 2, 41_000, true),
            of("other", 3, 42_000, true),
            of("access", 1, 40_000, false),
        ];
        let policy = Policy { port_rest: Duration::ZERO, ..Policy::default() };
        let world = World::of(policy, realms);
        let mut relay = Relay::new(Portable);
        relay.set_own_ports(world.gateway.own_ports());
        Self { plane: Plane { world, relay }, known: Vec::new() }
    }

    /// A reservation in a context, or in a new one.
    fn reservation(context: Option<ContextId>, realm: &str, rtcp: RtcpMode) -> Reserve {
        let context = context.map_or(ContextChoice::New, ContextChoice::Existing);
        let mut reserve = reserve(context, realm, Transport::Plain);
        reserve.streams[0].rtcp = rtcp;
        reserve
    }

    /// Asks for something; a refusal changes nothing.
    fn ask(&mut self, command: Command) -> bool {
        let Ok(replies) = self.plane.transact(vec![command]) else { return false };
        for reply in replies {
            if let Reply::Termination(reply) = reply {
                self.known.retain(|known| {
                    (known.context, known.termination) != (reply.context, reply.termination)
                });
                self.known.push(reply);
            }
        }
        true
    }

    fn listen(&mut self, place: usize, remote: Option<Remote>, ear: Ear) -> bool {
        let TerminationReply { context, termination, .. } = self.known[place];
        let any = Network::new("0.0.0.0".parse().unwrap(), 0);
        let filter = SourceFilter { network: any, lowest_port: 0, highest_port: u16::MAX };
        let source = match ear {
            Ear::Latching => SourcePolicy::Latch { within: Some(Duration::from_secs(600)) },
            Ear::Signalled | Ear::Filtering => SourcePolicy::Signalled,
        };
        let source_filter = match ear {
            Ear::Filtering => Change::Set(filter),
            Ear::Signalled | Ear::Latching => Change::Clear,
        };
        let extras = StreamExtrasChange { source_filter, ..StreamExtrasChange::default() };
        let change = StreamChange { remote, source: Some(source), extras, ..unchanged(1) };
        let configure = Configure::of(context, termination, vec![change]);
        self.plane.transact(vec![Command::Configure(configure)]).is_ok()
    }

    /// Sends a packet to every port, from elsewhere and, forged, from every port of the gateway,
    /// and follows it.
    fn flood(&mut self) {
        let open: Vec<_> = self.plane.world.ports.open.clone().into_iter().collect();
        let own = open.iter().map(|&(_, address)| address);
        let sources: Vec<SocketAddr> = own.chain([ELSEWHERE.parse().unwrap()]).collect();
        for &(port, _) in &open {
            for &source in &sources {
                for is_rtcp in [false, true] {
                    self.follow(port, source, is_rtcp);
                }
            }
        }
    }

    fn follow(&mut self, port: PortId, source: SocketAddr, is_rtcp: bool) {
        let mut under_way = VecDeque::from([(port, source, 0)]);
        while let Some((port, source, hops)) = under_way.pop_front() {
            assert!(hops < FAR, "a packet goes round: {:#?}", self.known);
            for (via, to) in self.pass(port, source, is_rtcp) {
                let open = &self.plane.world.ports.open;
                let from = open[&via];
                let next = open.iter().find(|&(_, address)| *address == to).map(|(&id, _)| id);
                under_way.extend(next.map(|port| (port, from, hops + 1)));
            }
        }
    }

    fn pass(
        &mut self,
        port: PortId,
        source: SocketAddr,
        is_rtcp: bool,
    ) -> Vec<(PortId, SocketAddr)> {
        let kind = if is_rtcp { 201 } else { 0 };
        let mut slot = [0; 256];
        // An empty receiver report, or a packet of RTP.
        slot[..4].copy_from_slice(&[0x80, kind, 0, 1]);
        let mut datagrams = [Datagram {
            port,
            source,
            slot: &mut slot,
            len: if is_rtcp { 8 } else { 32 },
            traffic_class: 0,
            truncated: false,
            verdict: Verdict::Kept,
        }];
        let (relay, now) = (&mut self.plane.relay, self.plane.world.now);
        relay.handle_batch(&mut datagrams, now);
        relay.make_room();
        while relay.poll_report().is_some() {}
        let mut copies = Vec::new();
        match datagrams[0].verdict {
            Verdict::Forward { via, to, .. } => copies.push((via, to)),
            Verdict::FanOut(mut fan_out) => {
                while let Some(copy) = relay.next_copy(&mut fan_out, now) {
                    copies.push((copy.via, copy.to));
                }
            }
            Verdict::Kept | Verdict::Drop(_) => {}
        }
        copies
    }

    /// The local addresses of a termination: RTP's, or RTCP's.
    fn local(&self, place: usize, of_rtcp: bool) -> SocketAddr {
        let stream = &self.known[place].streams[0];
        if of_rtcp { stream.rtcp.unwrap() } else { stream.rtp }
    }
}

//= tests/spec/iq.md#reservation
//= type=test
//# Of the terminations of a context at most one MUST send to the gateway itself, RTCP included.
//= tests/spec/relay.md#source
//= type=test
//# A packet from a media port of the gateway itself MUST be discarded unless exactly that port is
//# the signalled source.
#[test]
fn two_calls_never_make_a_circle_whomever_their_legs_send_to_and_listen_to() {
    // Of each leg: somebody else, or one of the other call's two ports; and its ear.
    let choices = || (0..3usize).flat_map(|peer| EARS.map(|ear| (peer, ear)));
    let mut built = 0;
    for (rtcp, by_rtcp) in WAYS {
        let mut hall = Hall::new(PORTS);
        for _ in 0..2 {
            for beside in [false, true] {
                let context = hall.known.last().filter(|_| beside).map(|it| it.context);
                assert!(hall.ask(Command::Reserve(Hall::reservation(context, "core", rtcp))));
            }
        }
        let elsewhere = ELSEWHERE.parse().unwrap();
        let remote = |hall: &Hall, place: usize, peer: usize| {
            let own = || hall.local(2 - place / 2 * 2 + peer - 1, by_rtcp);
            match (peer, by_rtcp) {
                (0, _) => Remote { rtp: elsewhere, rtcp: None },
                (_, true) => Remote { rtp: elsewhere, rtcp: Some(own()) },
                (_, false) => Remote { rtp: own(), rtcp: None },
            }
        };
        let all = choices().flat_map(|a| choices().map(move |b| [a, b]));
        let all: Vec<_> = all.collect();
        for [first, second] in &all {
            for [third, fourth] in &all {
                for place in 0..4 {
                    assert!(hall.listen(place, Some(remote(&hall, place, 0)), Ear::Signalled));
                }
                for (place, (peer, ear)) in [first, second, third, fourth].into_iter().enumerate() {
                    let remote = remote(&hall, place, *peer);
                    built += usize::from(hall.listen(place, Some(remote), *ear) && *peer > 0);
                }
                hall.flood();
            }
        }
    }
    assert!(built > 1_000, "only {built} legs sent to the gateway itself");
}

#[test]
fn calls_in_a_ring_do_not_close_it() {
    for calls in 1..=4 {
        for (rtcp, by_rtcp) in WAYS {
            for ear in EARS {
                let mut hall = Hall::new(40);
                for place in 0..2 * calls {
                    let context = hall.known.last().filter(|_| place % 2 == 1);
                    let context = context.map(|it| it.context);
                    assert!(hall.ask(Command::Reserve(Hall::reservation(context, "core", rtcp))));
                }
                // One leg of each call hears the call before, the other sends to the next one.
                for call in 0..calls {
                    let rtp = ELSEWHERE.parse().unwrap();
                    let next = hall.local((2 * call + 2) % (2 * calls), by_rtcp);
                    let there = Remote { rtp, rtcp: Some(next) };
                    let there = if by_rtcp { there } else { Remote { rtp: next, rtcp: None } };
                    hall.listen(2 * call, Some(Remote { rtp, rtcp: None }), ear);
                    // A call that is its own next one sends to no port of its own.
                    assert_eq!(hall.listen(2 * call + 1, Some(there), ear), calls > 1);
                }
                hall.flood();
            }
        }
    }
}

/// Whether a peer of a context is signalled at a port of the same context.
fn calls_itself(context: &ContextView) -> bool {
    let streams = || context.terminations.iter().flat_map(|one| &one.streams);
    let local = |stream: &StreamView| [Some(stream.local.rtp), stream.local.rtcp];
    let ports: Vec<_> = streams().flat_map(local).flatten().collect();
    let peer = |stream: &StreamView| {
        stream.remote.map_or([None; 2], |remote| [Some(remote.rtp), remote.rtcp_address()])
    };
    streams().flat_map(peer).flatten().any(|peer| ports.contains(&peer))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    //= tests/spec/iq.md#reservation
    //= type=test
    //# A port of a context MUST NOT be taken for a peer's of the same context.
    #[test]
    fn whatever_is_asked_for_no_packet_goes_round(wishes in prop::collection::vec(wish(), 1..60)) {
        let mut hall = Hall::new(PORTS);
        for wish in wishes {
            hall.grant(wish);
            hall.flood();
            prop_assert!(!hall.contexts().iter().any(calls_itself), "{:#?}", hall.contexts());
        }
    }
}
