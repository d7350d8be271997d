//! Commands as a generator draws them: small numbers, so that they often meet each other.

mod draw;

use std::time::Duration;

use agw_context::{
    ActivateKey, CancelKey, ChangeThroughConnection, Command, Configure, ContextChoice, ContextId,
    CryptoChange, CryptoContext, DirectedKey, Direction, KeySlot, KeySource, LateChoice, Media,
    Release, Remote, Reserve, RtcpMode, SetTopology, SourcePolicy, StageKey, StreamChange,
    StreamExtras, StreamExtrasChange, StreamId, StreamMode, StreamSpec, TerminationId,
    TopologyChange,
};
use agw_relay::Transport;
use agw_srtp::{
    EgressKey, IngressKey, Lifetime, MasterKey, Mki, RocOnRekey, SessionParameters, Suite,
};

pub(crate) use draw::{plan, roc};

/// Keys that there are; 0 is the key of zeros.
pub(crate) const SEEDS: std::ops::RangeInclusive<u8> = 0..=80;

/// One command, or something else that happens.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Reserve { context: Where, realm: u8, streams: Vec<StreamPlan> },
    Configure { at: Place, change: ChangePlan },
    Through { at: Place, whole: bool, mode: StreamMode },
    Topology { at: Place, to: u8 },
    Release { at: Place, whole: bool },
    Stage { at: Place, direction: Direction, key: KeyPlan },
    Activate { at: Place, direction: Direction, roc: RocOnRekey },
    Cancel { at: Place, direction: Direction },
}

/// The place of a context that does not exist.
const NO_CONTEXT: u8 = 60;

/// Which context a reservation is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Where {
    New,
    Latest,
    Existing(u8),
}

/// A stream by small numbers: the context is the so-many-th there is, going round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) context: u8,
    pub(crate) termination: u8,
    pub(crate) stream: u8,
}

#[derive(Debug, Clone)]
pub(crate) struct StreamPlan {
    pub(crate) id: u8,
    transport: Transport,
    rtcp: RtcpMode,
    mode: StreamMode,
    remote: Option<u8>,
    source: Option<SourcePolicy>,
    pub(crate) ingress: Option<CryptoPlan>,
    pub(crate) egress: Option<CryptoPlan>,
}

#[derive(Debug, Clone)]
pub(crate) struct ChangePlan {
    remote: Option<u8>,
    mode: Option<StreamMode>,
    source: Option<SourcePolicy>,
    pub(crate) ingress: CryptoChangePlan,
    pub(crate) egress: CryptoChangePlan,
}

#[derive(Debug, Clone)]
pub(crate) enum CryptoChangePlan {
    Keep,
    Remove,
    Install(CryptoPlan),
}

#[derive(Debug, Clone)]
pub(crate) struct CryptoPlan {
    pub(crate) keys: Vec<KeyPlan>,
    roc: Option<RocOnRekey>,
    overlap: Option<Duration>,
    window: u16,
}

/// A key, comparable: what makes it the same as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPlan {
    pub(crate) suite: Suite,
    pub(crate) seed: u8,
    pub(crate) salt: u8,
    pub(crate) mki: Option<(u8, u8)>,
}

impl KeyPlan {
    pub(crate) fn master(self) -> MasterKey {
        let mut octets = vec![self.seed; self.suite.key_len()];
        octets.resize(self.suite.key_len() + self.suite.salt_len(), self.salt);
        MasterKey::from_concatenated(self.suite, &octets).unwrap()
    }

    fn mki(self) -> Option<Mki> {
        self.mki.map(|(len, mki)| Mki::new(&vec![mki; usize::from(len)]).unwrap())
    }

    pub(crate) fn ingress(self) -> IngressKey {
        IngressKey { master: self.master(), mki: self.mki(), lifetime: LIFETIME }
    }

    pub(crate) fn egress(self) -> EgressKey {
        EgressKey { master: self.master(), mki: self.mki(), lifetime: LIFETIME }
    }
}

const LIFETIME: Lifetime = Lifetime { srtp: 1 << 20, srtcp: 1 << 20 };

impl CryptoPlan {
    pub(crate) fn of(key: KeyPlan) -> Self {
        Self::again(vec![key], None)
    }

    pub(crate) fn again(keys: Vec<KeyPlan>, roc: Option<RocOnRekey>) -> Self {
        Self { keys, roc, overlap: None, window: 128 }
    }

    fn context<K>(&self, key: impl Fn(KeyPlan) -> K) -> CryptoContext<K> {
        CryptoContext {
            source: KeySource::Sdes,
            keys: self.keys.iter().copied().map(key).collect(),
            parameters: SessionParameters { window: self.window, ..SessionParameters::default() },
            roc: self.roc,
            overlap: self.overlap,
        }
    }
}

impl StreamPlan {
    /// A stream of a secured leg without keys.
    pub(crate) fn secured(id: u8) -> Self {
        Self {
            id,
            transport: Transport::Secured,
            rtcp: RtcpMode::Mux,
            mode: StreamMode::SendReceive,
            remote: None,
            source: None,
            ingress: None,
            egress: None,
        }
    }

    fn spec(&self) -> StreamSpec {
        StreamSpec {
            id: StreamId(self.id.into()),
            media: Media::Audio,
            transport: self.transport,
            remote: self.remote.map(remote),
            rtcp: self.rtcp,
            mode: self.mode,
            source: self.source,
            extras: StreamExtras::default(),
            ingress: self.ingress.as_ref().map(|plan| plan.context(KeyPlan::ingress)),
            egress: self.egress.as_ref().map(|plan| plan.context(KeyPlan::egress)),
        }
    }
}

impl CryptoChangePlan {
    fn change<K>(&self, key: impl Fn(KeyPlan) -> K) -> CryptoChange<K> {
        match self {
            Self::Keep => CryptoChange::Keep,
            Self::Remove => CryptoChange::Remove,
            Self::Install(plan) => CryptoChange::Install(plan.context(key)),
        }
    }
}

/// Some are fit for a peer and some are not: 0 is unspecified, 1 is a port of the gateway.
fn remote(number: u8) -> Remote {
    let address = match number {
        0 => "0.0.0.0:5000".to_owned(),
        1 => "127.0.0.1:40000".to_owned(),
        number => format!("127.0.0.1:{}", 50_000 + u16::from(number) * 2),
    };
    Remote { rtp: address.parse().unwrap(), rtcp: None }
}

impl Place {
    pub(crate) fn slot(self, contexts: &[ContextId]) -> KeySlot {
        let known = usize::from(self.context).checked_rem(contexts.len());
        let known = known.filter(|_| self.context != NO_CONTEXT);
        let context = known.and_then(|position| contexts.get(position)).copied();
        KeySlot {
            context: context.unwrap_or(ContextId(99_999)),
            termination: TerminationId(self.termination.into()),
            stream: StreamId(self.stream.into()),
        }
    }
}

impl Plan {
    /// Installs keys in one direction and changes nothing else.
    pub(crate) fn install(at: Place, direction: Direction, crypto: CryptoPlan) -> Self {
        let (keep, install) = (CryptoChangePlan::Keep, CryptoChangePlan::Install(crypto));
        let (ingress, egress) = match direction {
            Direction::Ingress => (install, keep),
            Direction::Egress => (keep, install),
        };
        let change = ChangePlan { remote: None, mode: None, source: None, ingress, egress };
        Self::Configure { at, change }
    }

    /// The command, where `contexts` are those that there are.
    pub(crate) fn command(&self, contexts: &[ContextId]) -> Command {
        match self {
            Self::Reserve { context, realm, streams } => Command::Reserve(Reserve {
                context: match *context {
                    Where::New => ContextChoice::New,
                    Where::Latest => ContextChoice::Latest,
                    Where::Existing(context) => {
                        let at = Place { context, termination: 0, stream: 0 };
                        ContextChoice::Existing(at.slot(contexts).context)
                    }
                },
                correlation: None,
                realm: Some(["access", "core", "mars"][usize::from(*realm)].to_owned()),
                family: None,
                heartbeat: None,
                priority: None,
                streams: streams.iter().map(StreamPlan::spec).collect(),
            }),
            Self::Configure { at, change } => configure(at.slot(contexts), change),
            Self::Through { at, whole, mode } => {
                let KeySlot { context, termination, stream } = at.slot(contexts);
                let (termination, stream) = ((!whole).then_some(termination), Some(stream));
                let mode = *mode;
                let change = ChangeThroughConnection { context, termination, stream, mode };
                Command::ChangeThroughConnection(change)
            }
            Self::Topology { at, to } => {
                let KeySlot { context, termination: from, .. } = at.slot(contexts);
                let to = TerminationId((*to).into());
                let change = TopologyChange::Connect(from, to);
                Command::SetTopology(SetTopology { context, change })
            }
            Self::Release { at, whole } => {
                let KeySlot { context, termination, .. } = at.slot(contexts);
                let termination = (!whole).then_some(termination);
                Command::Release(Release { context, termination })
            }
            Self::Stage { at, direction, key } => {
                let key = match direction {
                    Direction::Ingress => DirectedKey::Ingress(key.ingress()),
                    Direction::Egress => DirectedKey::Egress(key.egress()),
                };
                Command::StageKey(StageKey { slot: at.slot(contexts), key })
            }
            Self::Activate { at, direction, roc } => {
                let (slot, direction, roc) = (at.slot(contexts), *direction, *roc);
                Command::ActivateKey(ActivateKey { slot, direction, roc, overlap: None, at: None })
            }
            Self::Cancel { at, direction } => {
                let (slot, direction) = (at.slot(contexts), *direction);
                Command::CancelKey(CancelKey { slot, direction })
            }
        }
    }
}

fn configure(slot: KeySlot, plan: &ChangePlan) -> Command {
    let change = StreamChange {
        id: slot.stream,
        remote: plan.remote.map(remote),
        late: LateChoice::default(),
        mode: plan.mode,
        source: plan.source,
        relatch: false,
        extras: StreamExtrasChange::default(),
        ingress: plan.ingress.change(KeyPlan::ingress),
        egress: plan.egress.change(KeyPlan::egress),
    };
    let KeySlot { context, termination, .. } = slot;
    Command::Configure(Configure::of(context, termination, vec![change]))
}
