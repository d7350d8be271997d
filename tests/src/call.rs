//! A call through the gateway: two endpoints, one stream.

use std::net::IpAddr;

use agw_iq::pb;
use agw_iq::pb::command::Command;
use agw_srtp::Suite;

use crate::packet::{rtcp, rtp};
use crate::{Endpoint, Gateway, Key, Side, api};

/// One side of a call before it is set up; the stream may be changed.
pub struct Leg {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// What is asked for it.
    pub stream: pb::Stream,
}

impl Leg {
    /// A leg without SRTP.
    #[must_use]
    pub fn plain(ip: IpAddr) -> Self {
        let endpoint = Endpoint::plain(ip);
        Self { stream: api::plain(1, &endpoint), endpoint }
    }

    /// A leg whose SRTP the gateway opens and seals.
    #[must_use]
    pub fn secured(ip: IpAddr, ingress: &Key, egress: &Key) -> Self {
        let endpoint = Endpoint::secured(ip, ingress, egress);
        let stream = api::secured(1, &endpoint, &ingress.crypto(), &egress.crypto());
        Self { endpoint, stream }
    }

    /// A leg whose SRTP the gateway leaves as it is.
    #[must_use]
    pub fn transparent(ip: IpAddr, sends: &Key, receives: &Key) -> Self {
        let endpoint = Endpoint::secured(ip, sends, receives);
        Self { stream: api::transparent(1, &endpoint), endpoint }
    }

    /// The same with RTCP on the RTP port.
    #[must_use]
    pub fn multiplexing(mut self) -> Self {
        self.endpoint = self.endpoint.multiplexing();
        self.stream.rtcp = pb::RtcpMode::Mux.into();
        self.stream.remote = Some(self.endpoint.remote());
        self
    }
}

/// A call that stands: termination 1 in the access realm, termination 2 in the core realm.
pub struct Call {
    /// The context.
    pub context: u32,
    /// The endpoint in the access realm.
    pub access: Endpoint,
    /// The endpoint in the core realm.
    pub core: Endpoint,
    next: u16,
}

impl Call {
    /// The SSRC of the endpoint in the access realm.
    pub const ACCESS: u32 = 0xAAAA_0001;
    /// The SSRC of the endpoint in the core realm.
    pub const CORE: u32 = 0xCCCC_0001;

    /// Sets a call up.
    ///
    /// # Panics
    ///
    /// When it is refused.
    #[must_use]
    pub fn between(gateway: &Gateway, access: Leg, core: Leg) -> Self {
        let commands = api::call(vec![access.stream], vec![core.stream]);
        Self::set_up(gateway, commands, access.endpoint, core.endpoint)
    }

    /// Sets a call up between two realms; one without a name is the default one.
    ///
    /// # Panics
    ///
    /// When it is refused.
    #[must_use]
    pub fn in_realms(gateway: &Gateway, access: (&str, Leg), core: (&str, Leg)) -> Self {
        let ((from, access), (to, core)) = (access, core);
        let commands = vec![
            Command::Reserve(api::reserve(from, vec![access.stream.clone()])),
            Command::Reserve(api::join(to, vec![core.stream.clone()])),
        ];
        Self::set_up(gateway, commands, access.endpoint, core.endpoint)
    }

    /// Sets a call up by commands that reserve two terminations of one stream each.
    ///
    /// # Panics
    ///
    /// When it is refused.
    #[must_use]
    pub fn set_up(
        gateway: &Gateway,
        commands: Vec<Command>,
        mut access: Endpoint,
        mut core: Endpoint,
    ) -> Self {
        let replies = gateway.wait(gateway.iq.transact(commands)).expect("a call");
        let [first, second] = terminations(&replies).try_into().expect("two terminations");
        access.attach(first.streams.first().expect("a stream"));
        core.attach(second.streams.first().expect("a stream"));
        Self { context: first.context_id, access, core, next: 1 }
    }

    /// SRTP in the access realm, RTP in the core realm; returns the keys by direction as well.
    #[must_use]
    pub fn e2ae(gateway: &Gateway, suite: Suite) -> (Self, Key, Key) {
        let (ingress, egress) = (Key::random(suite), Key::random(suite));
        let access = Leg::secured(Side::Access.peer(), &ingress, &egress);
        (Self::between(gateway, access, Leg::plain(Side::Core.peer())), ingress, egress)
    }

    /// SRTP in the access realm that stands at a ROC, RTP in the core realm.
    #[must_use]
    pub fn e2ae_at(gateway: &Gateway, suite: Suite, roc: u32) -> (Self, Key, Key) {
        let (ingress, egress) = (Key::random(suite), Key::random(suite));
        let mut access = Leg::secured(Side::Access.peer(), &ingress, &egress);
        access.stream.ingress_crypto = Some(ingress.crypto_at(roc));
        access.stream.egress_crypto = Some(egress.crypto_at(roc));
        access.endpoint.restart(&ingress, &egress, roc);
        (Self::between(gateway, access, Leg::plain(Side::Core.peer())), ingress, egress)
    }

    /// Sends one RTP packet each way; each must arrive as it was sent.
    pub fn talk(&mut self) {
        self.talk_inwards();
        self.talk_outwards();
    }

    /// Sends one RTP packet from the access side to the core side.
    ///
    /// # Panics
    ///
    /// When it does not arrive as it was sent.
    pub fn talk_inwards(&mut self) {
        let packet = self.next_packet(Self::ACCESS);
        self.access.send(&packet);
        assert_eq!(self.core.receive(), packet, "from access to core");
    }

    /// Sends one RTP packet from the core side to the access side.
    ///
    /// # Panics
    ///
    /// When it does not arrive as it was sent.
    pub fn talk_outwards(&mut self) {
        let packet = self.next_packet(Self::CORE);
        self.core.send(&packet);
        assert_eq!(self.access.receive(), packet, "from core to access");
    }

    /// Sends one RTCP packet each way; each must arrive as it was sent.
    ///
    /// # Panics
    ///
    /// When one does not.
    pub fn report(&mut self) {
        self.next += 1;
        let packet = rtcp(Self::ACCESS, self.next.into());
        self.access.send_control(&packet);
        assert_eq!(self.core.receive_control(), packet, "from access to core");
        let packet = rtcp(Self::CORE, self.next.into());
        self.core.send_control(&packet);
        assert_eq!(self.access.receive_control(), packet, "from core to access");
    }

    /// A packet that was not sent before.
    #[must_use]
    pub fn next_packet(&mut self, ssrc: u32) -> Vec<u8> {
        self.next += 1;
        rtp(ssrc, self.next, self.next.into())
    }

    /// Whether nothing waits at either endpoint.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.access.is_silent() && self.core.is_silent()
    }
}

/// The terminations among replies.
#[must_use]
pub fn terminations(replies: &[pb::CommandReply]) -> Vec<&pb::TerminationReply> {
    replies
        .iter()
        .filter_map(|reply| match &reply.reply {
            Some(pb::command_reply::Reply::Termination(termination)) => Some(termination),
            Some(pb::command_reply::Reply::Done(_) | pb::command_reply::Reply::Released(_))
            | None => None,
        })
        .collect()
}
