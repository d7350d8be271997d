//! `iq_request`: arbitrary octets as requests to the Iq service before a gateway on paper.

use std::collections::BTreeMap;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use agw_context::{
    AdoptContexts, Capabilities, Circumstances, Command, Confirmation, ContextId, ContextName,
    ContextView, Controller, Event, Gateway, Policy, Ports, Refused, Release,
};
use agw_iq::backend::{
    AuditPage, AuditQuery, Build, Completed, Condition, EventsError, GatewayStatus, ServiceChange,
    ServiceChangeError, TransactError, Unavailable,
};
use agw_iq::pb::iq_service_server::IqService;
use agw_iq::{Backend, ConnectedPeer, Iq, UnreadTransaction};
use agw_relay::{CallId, PortId, Relay};
use agw_srtp::Portable;
use prost::Message;
use tonic::{Code, Request};

use super::paper::{PaperPorts, realm};
use crate::draw::Draw;

const MAX_REQUESTS: usize = 16;
/// As the service does on the wire.
const MAX_REQUEST_OCTETS: usize = 64 << 10;

/// Reads octets as requests, each behind its length in two octets, and carries them out.
///
/// # Panics
/// If a refused request changes anything, if the packet path refuses what control decided, if
/// ports are open that no context has, if a refusal is the gateway's own fault, or if anything is
/// left once every context is released.
pub fn iq_request(data: &[u8]) {
    carry_out(data);
}

/// Carries the requests out and tells how many were accepted and how many refused.
fn carry_out(data: &[u8]) -> (usize, usize) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else {
        panic!("no runtime");
    };
    let paper = Arc::new(Paper::new());
    let service = Iq::new(Arc::clone(&paper));
    let mut draw = Draw::new(data);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..MAX_REQUESTS {
        if draw.is_empty() {
            break;
        }
        let octets = usize::from(draw.word());
        let octets = draw.octets(octets.min(MAX_REQUEST_OCTETS));
        let Ok(request) = UnreadTransaction::decode(octets) else { continue };
        let before = paper.world().picture();
        let mut request = Request::new(request);
        request.extensions_mut().insert(ConnectedPeer::local());
        let outcome = runtime.block_on(service.transact(request));
        let mut world = paper.world();
        match outcome {
            Ok(reply) => {
                accepted += 1;
                assert!(!reply.into_inner().replies.is_empty());
            }
            Err(status) => {
                refused += 1;
                let fault = matches!(status.code(), Code::Internal | Code::Unknown);
                assert!(!fault, "{status:?}");
                assert!(world.picture() == before, "a refused request changed something");
            }
        }
        world.ports_belong_to_contexts();
        world.now += Duration::from_secs(1);
    }
    paper.world().release_all();
    (accepted, refused)
}

/// A gateway with its packet path, whose ports exist on paper.
struct Paper(Mutex<World>);

struct World {
    gateway: Gateway,
    relay: Relay<Portable>,
    ports: PaperPorts,
    now: Instant,
    random: u32,
}

impl Paper {
    fn new() -> Self {
        // Small pools, so that a request can exhaust them.
        let realms = vec![realm("access", 1, 40_000..=40_063), realm("core", 2, 41_000..=41_063)];
        let policy = Policy { max_contexts: 8, max_streams: 8, ..Policy::default() };
        let gateway = Gateway::new(policy, realms, [7; 64].into(), 1, 1);
        let Ok(gateway) = gateway else { panic!("the realms do not fit together") };
        Self(Mutex::new(World {
            gateway,
            relay: Relay::new(Portable),
            ports: PaperPorts::default(),
            now: Instant::now(),
            random: 1,
        }))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn transact(
        &mut self,
        controller: &Controller,
        commands: Vec<Command>,
    ) -> Result<Vec<Completed>, TransactError> {
        let Self { gateway, relay, ports, now, random } = self;
        let mut dice = |below: u32| {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*random >> 8) % below.max(1)
        };
        let outcome = gateway.transact(
            commands,
            &mut Circumstances {
                controller,
                ports,
                random: &mut dice,
                now: *now,
                at: SystemTime::UNIX_EPOCH,
            },
        )?;
        for work in outcome.work {
            for step in work.steps {
                let done = relay.handle_command_of(CallId(work.context.0), step, *now);
                assert!(done.is_ok(), "the packet path refuses what control decided: {done:?}");
            }
            work.closed.into_iter().for_each(|port| ports.close(port));
        }
        let completed = |(reply, generation)| Completed {
            reply,
            generation,
            statistics: Vec::new(),
            groups: Vec::new(),
        };
        let replies = outcome.replies.into_iter().zip(outcome.generations);
        Ok(replies.map(completed).collect())
    }

    /// Everything that a refused request must leave as it is.
    fn picture(&self) -> (Vec<ContextView>, BTreeMap<PortId, SocketAddr>) {
        let contexts = self.gateway.contexts(&Controller::local(), None, usize::MAX);
        (contexts, self.ports.open.clone())
    }

    fn ports_belong_to_contexts(&self) {
        let (contexts, open) = self.picture();
        let streams = contexts
            .iter()
            .flat_map(|context| &context.terminations)
            .flat_map(|termination| &termination.streams);
        let mut told: Vec<SocketAddr> = streams
            .flat_map(|stream| {
                let rtcp = stream.local.rtcp.filter(|rtcp| *rtcp != stream.local.rtp);
                std::iter::once(stream.local.rtp).chain(rtcp)
            })
            .collect();
        let mut open: Vec<SocketAddr> = open.into_values().collect();
        told.sort();
        open.sort();
        assert_eq!(told, open);
    }

    fn release_all(&mut self) {
        let (contexts, _) = self.picture();
        for context in contexts {
            let release = Command::Release(Release { context: context.id, termination: None });
            let done = self.transact(&Controller::local(), vec![release]);
            assert!(done.is_ok(), "{done:?}");
        }
        assert_eq!((self.gateway.context_count(), self.ports.open.len()), (0, 0));
    }
}

impl Backend for Paper {
    type Events = tokio_stream::Pending<Result<Event, EventsError>>;

    fn transact(
        &self,
        controller: Controller,
        commands: Vec<Command>,
    ) -> impl Future<Output = Result<Vec<Completed>, TransactError>> + Send + 'static {
        ready(self.world().transact(&controller, commands))
    }

    fn audit(
        &self,
        _: Controller,
        _: AuditQuery,
    ) -> impl Future<Output = Result<AuditPage, TransactError>> + Send {
        ready(Ok(AuditPage::default()))
    }

    fn build(&self) -> Build {
        Build { version: "fuzz", commit: "" }
    }

    fn capabilities(&self) -> impl Future<Output = Result<Capabilities, Unavailable>> + Send {
        let world = self.world();
        ready(Ok(world.gateway.capabilities(world.now)))
    }

    fn status(&self) -> impl Future<Output = Result<GatewayStatus, Unavailable>> + Send {
        let refused: Ready<Result<GatewayStatus, Unavailable>> = ready(Err(Unavailable));
        refused
    }

    fn events(
        &self,
        _: Controller,
        _: Option<u64>,
    ) -> impl Future<Output = Result<Self::Events, EventsError>> + Send {
        ready(Ok(tokio_stream::pending()))
    }

    fn service_change(
        &self,
        _: Controller,
        _: ServiceChange,
    ) -> impl Future<Output = Result<usize, ServiceChangeError>> + Send {
        ready(Ok(0))
    }

    fn names(
        &self,
        _: Controller,
        _: Option<ContextId>,
        _: usize,
    ) -> impl Future<Output = Result<Vec<ContextName>, Unavailable>> + Send {
        ready(Ok(Vec::new()))
    }

    fn confirm(
        &self,
        controller: Controller,
        words: Vec<Confirmation>,
    ) -> impl Future<Output = Result<Vec<Confirmation>, Unavailable>> + Send {
        let mut world = self.world();
        let now = world.now;
        ready(Ok(world.gateway.confirm(&controller, &words, now).0))
    }

    fn adopt(
        &self,
        controller: Controller,
        which: AdoptContexts,
    ) -> impl Future<Output = Result<Vec<ContextId>, TransactError>> + Send {
        let mut world = self.world();
        let now = world.now;
        let adopted = world.gateway.adopt(&controller, which, now, SystemTime::UNIX_EPOCH);
        ready(adopted.map_err(|error| Refused { command: 0, error }.into()))
    }

    fn condition(&self) -> Condition {
        Condition::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corpus would prove little if the gateway refused all of it.
    #[test]
    fn the_requests_of_the_corpus_are_accepted_as_far_as_they_are_meant_to_be() {
        let outcomes = [
            &include_bytes!("../../../../tests/fuzz/corpus/iq_request/call")[..],
            include_bytes!("../../../../tests/fuzz/corpus/iq_request/call_and_release"),
            include_bytes!("../../../../tests/fuzz/corpus/iq_request/keys"),
            include_bytes!("../../../../tests/fuzz/corpus/iq_request/exhausted"),
            include_bytes!("../../../../tests/fuzz/corpus/iq_request/six_streams"),
            include_bytes!("../../../../tests/fuzz/corpus/iq_request/refused_second"),
        ]
        .map(carry_out);
        assert_eq!(outcomes, [(1, 0), (4, 0), (5, 1), (8, 1), (1, 0), (0, 1)]);
    }
}
