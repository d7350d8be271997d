//! What a controller may ask for, at random.

use std::net::SocketAddr;
use std::time::Duration;

use agw_context::{
    Association, Command, Configure, ContextChoice, ContextId, ContextView, GroupId, Relation,
    Release, Remote, RtcpMode, SetGroup, SetTopology, StreamId, TerminationId, TopologyChange,
};
use agw_relay::Transport;
use proptest::prelude::*;

use super::{ELSEWHERE, Ear, Hall, PORTS};
use crate::support::stream;

/// Something that a controller asks for; places and ports are the so-many-th, going round.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    Reserve {
        beside: Option<u8>,
        realm: &'static str,
        rtcp: RtcpMode,
        in_group: bool,
    },
    Listen {
        place: u8,
        rtp: Option<u8>,
        rtcp: Option<u8>,
        ear: Ear,
    },
    /// Another stream, whose peer is signalled with it.
    Grow {
        place: u8,
        rtp: Option<u8>,
    },
    Group {
        place: u8,
    },
    Hear {
        place: u8,
        other: u8,
    },
    Release {
        place: u8,
    },
    Later,
}

pub(super) fn wish() -> impl Strategy<Value = Wish> {
    let own = || prop::option::weighted(0.8, any::<u8>());
    let ear = prop::sample::select(vec![Ear::Signalled, Ear::Latching, Ear::Filtering]);
    let realm = prop::sample::select(vec!["core", "core", "other", "access"]);
    let rtcp = prop::sample::select(vec![RtcpMode::Pair, RtcpMode::Mux, RtcpMode::Off]);
    let beside = prop::option::weighted(0.7, any::<u8>());
    let reserve = (beside, realm, rtcp, any::<bool>());
    let listen = (any::<u8>(), own(), own(), ear);
    prop_oneof![
        4 => reserve.prop_map(|(beside, realm, rtcp, in_group)| {
            Wish::Reserve { beside, realm, rtcp, in_group }
        }),
        8 => listen.prop_map(|(place, rtp, rtcp, ear)| Wish::Listen { place, rtp, rtcp, ear }),
        1 => (any::<u8>(), own()).prop_map(|(place, rtp)| Wish::Grow { place, rtp }),
        1 => any::<u8>().prop_map(|place| Wish::Group { place }),
        2 => any::<[u8; 2]>().prop_map(|[place, other]| Wish::Hear { place, other }),
        1 => any::<u8>().prop_map(|place| Wish::Release { place }),
        1 => Just(Wish::Later),
    ]
}

impl Hall {
    pub(super) fn grant(&mut self, wish: Wish) {
        let at = |place: u8| usize::from(place) % self.known.len().max(1);
        let known = |place: u8| self.known.get(at(place)).map(|it| (it.context, it.termination));
        match wish {
            Wish::Reserve { beside, realm, rtcp, in_group } => {
                let context = beside.and_then(known).map(|(context, _)| context);
                let mut reserve = Self::reservation(context, realm, rtcp);
                if in_group {
                    reserve.streams[0].extras.group = Some(GroupId(1));
                }
                self.ask(Command::Reserve(reserve));
            }
            Wish::Listen { place, rtp, rtcp, ear } if known(place).is_some() => {
                let place = at(place);
                let elsewhere = ELSEWHERE.parse().unwrap();
                let rtp = rtp.map_or(elsewhere, |port| self.own(port));
                let rtcp = rtcp.map(|port| self.own(port));
                self.listen(place, Some(Remote { rtp, rtcp }), ear);
            }
            Wish::Grow { place, rtp } => {
                let Some((context, termination)) = known(place) else { return };
                let mut stream = stream(2, Transport::Plain);
                stream.remote = rtp.map(|port| Remote { rtp: self.own(port), rtcp: None });
                let mut configure = Configure::of(context, termination, Vec::new());
                configure.added = vec![stream];
                self.ask(Command::Configure(configure));
            }
            Wish::Group { place } => {
                let Some((context, focus)) = known(place) else { return };
                self.ask(Command::SetGroup(Box::new(group(context, focus))));
            }
            Wish::Hear { place, other } => {
                let (Some((context, from)), Some((_, to))) = (known(place), known(other)) else {
                    return;
                };
                let relation = Relation::BothWay;
                let change = TopologyChange::Associate(vec![Association {
                    from,
                    to,
                    relation,
                    stream: None,
                }]);
                self.ask(Command::SetTopology(SetTopology { context, change }));
            }
            Wish::Release { place } => {
                let Some((context, termination)) = known(place) else { return };
                let place = at(place);
                let termination = Some(termination);
                if self.ask(Command::Release(Release { context, termination })) {
                    self.known.remove(place);
                }
            }
            Wish::Listen { .. } => {}
            Wish::Later => self.plane.world.later(Duration::from_secs(601)),
        }
    }

    /// A port of the gateway, in use or not.
    fn own(&self, number: u8) -> SocketAddr {
        let ports: Vec<_> = self.plane.world.ports.open.values().collect();
        let guess = SocketAddr::from(([192, 0, 2, 2], 41_000 + u16::from(number) % PORTS));
        ports.get(usize::from(number) % (ports.len() + 1)).map_or(guess, |&&port| port)
    }

    pub(super) fn contexts(&self) -> Vec<ContextView> {
        let world = &self.plane.world;
        world.gateway.contexts(&world.controller, None, usize::MAX)
    }
}

fn group(context: ContextId, focus: TerminationId) -> SetGroup {
    SetGroup {
        context: ContextChoice::Existing(context),
        group: GroupId(1),
        stream: Some(StreamId(1)),
        focus: Some(focus),
        transport: Some(Transport::Plain),
        collisions: None,
        rekey_interval: None,
        max_members: None,
        ingress: None,
        egress: None,
    }
}
