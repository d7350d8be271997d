//! Which terminations of a context hear each other (H.248.1 §7.1.18).

use agw_relay::Transport;

use crate::checks::invalid;
use crate::command::{Association, Relation, SetTopology, TopologyChange};
use crate::error::{CommandError, Reason};
use crate::id::{ContextId, StreamId, TerminationId};
use crate::model::{Context, Stream};
use crate::reply::Reply;
use crate::transaction::Transaction;

/// The most associations that a context holds, and that a command brings.
pub const MAX_ASSOCIATIONS: usize = 64;

/// The associations in force: a pair of terminations has one for all streams, others for single
/// streams, or none, which isolates it. Most calls have two terminations that hear each other,
/// which needs no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Topology {
    /// Nobody hears anybody, and nobody was told so.
    #[default]
    Isolated,
    /// These two hear each other, nobody else does.
    Pair(TerminationId, TerminationId),
    /// As listed.
    List(Box<[Association]>),
}

const _: () = assert!(size_of::<Topology>() <= 24);

/// Why a topology cannot be, and the termination it fails at.
struct Fault {
    at: TerminationId,
    rule: &'static str,
}

impl Association {
    const fn both_ways(from: TerminationId, to: TerminationId) -> Self {
        Self { from, to, relation: Relation::BothWay, stream: None }
    }

    fn is_between(&self, a: TerminationId, b: TerminationId) -> bool {
        (self.from, self.to) == (a, b) || (self.to, self.from) == (a, b)
    }

    /// Whether what arrives at `from` leaves at `to`.
    fn carries(&self, from: TerminationId) -> bool {
        match self.relation {
            Relation::BothWay => true,
            Relation::OneWay => self.from == from,
            Relation::Isolate => false,
        }
    }

    /// What is left of it where only that may pass which `of_all` lets pass as well; `None` if that
    /// is no less.
    fn restricting(&self, of_all: Option<&Self>) -> Option<Self> {
        let passes = |from| of_all.is_some_and(|all| all.carries(from));
        let directions = [self.from, self.to].map(|from| (passes(from), self.carries(from)));
        let isolates = directions.iter().any(|&(passes, carries)| passes && !carries);
        let is_left = |(passes, carries)| passes && carries;
        let relation = match directions.map(is_left) {
            [true, true] => Relation::BothWay,
            [false, false] => Relation::Isolate,
            [true, false] | [false, true] => Relation::OneWay,
        };
        // One way is from `from`, in which direction alone one that goes one way carries.
        isolates.then_some(Self { relation, ..*self })
    }
}

impl Topology {
    //= tests/spec/iq.md#topology
    //# The topology in force MUST be audited as the list of its associations.
    /// The associations, in the order in which they were made.
    pub(crate) fn associations(&self) -> Vec<Association> {
        match self {
            Self::Isolated => Vec::new(),
            Self::Pair(from, to) => vec![Association::both_ways(*from, *to)],
            Self::List(list) => list.to_vec(),
        }
    }

    /// The two terminations that hear each other on all streams, if nothing else is associated.
    pub(crate) fn pair(&self) -> Option<(TerminationId, TerminationId)> {
        match self {
            Self::Pair(from, to) => Some((*from, *to)),
            Self::Isolated | Self::List(_) => None,
        }
    }

    /// Whether what arrives at `from` on a stream leaves at `to`.
    fn carries(&self, from: TerminationId, to: TerminationId, stream: StreamId) -> bool {
        match self {
            Self::Isolated => false,
            Self::Pair(a, b) => (*a, *b) == (from, to) || (*b, *a) == (from, to),
            Self::List(list) => {
                let of_pair = || list.iter().filter(|one| one.is_between(from, to));
                let of_stream = of_pair().find(|one| one.stream == Some(stream));
                let association = of_stream.or_else(|| of_pair().find(|one| one.stream.is_none()));
                association.is_some_and(|one| one.carries(from))
            }
        }
    }

    //= tests/spec/iq.md#topology
    //# An association MUST change its own pair of terminations only.
    /// Takes the place of what the pair had for the stream, or for all streams.
    fn associate(&mut self, association: Association) {
        let Association { from, to, relation: _, stream } = association;
        let mut list = self.associations();
        list.retain(|one| !one.is_between(from, to) || (stream.is_some() && one.stream != stream));
        // An isolation is kept too: two that are left alone later stay apart then.
        list.push(association);
        *self = Self::of(list);
    }

    /// Forgets a termination that is released.
    pub(crate) fn forget(&mut self, termination: TerminationId) {
        let mut list = self.associations();
        list.retain(|one| one.from != termination && one.to != termination);
        *self = Self::of(list);
    }

    //= tests/spec/iq.md#topology
    //# What was isolated on a stream MUST stay so when the stream goes and comes again.
    /// Forgets what was said of one stream of a termination, as far as it let more pass than what
    /// was said of all streams: what it isolates holds for the next stream of that number.
    pub(crate) fn forget_stream(&mut self, termination: TerminationId, stream: StreamId) {
        let before = self.associations();
        let concerns = |one: &Association| {
            one.stream == Some(stream) && (one.from == termination || one.to == termination)
        };
        let of_all = |one: &Association| {
            before.iter().find(|all| all.stream.is_none() && all.is_between(one.from, one.to))
        };
        let kept = |one: &Association| {
            if concerns(one) { one.restricting(of_all(one)) } else { Some(*one) }
        };
        let mut list: Vec<Association> = before.iter().filter_map(kept).collect();
        if let ([], Some(last)) = (&*list, before.first()) {
            // The two were told whom to hear: they are not connected as if nobody had said so.
            list.push(Association { relation: Relation::Isolate, stream: None, ..*last });
        }
        *self = Self::of(list);
    }

    fn of(list: Vec<Association>) -> Self {
        match *list {
            [] => Self::Isolated,
            [Association { from, to, relation: Relation::BothWay, stream: None }] => {
                Self::Pair(from, to)
            }
            _ => Self::List(list.into_boxed_slice()),
        }
    }
}

impl Context {
    //= tests/spec/iq.md#reservation
    //# A context MUST connect two or more terminations.
    //= tests/spec/iq.md#topology
    //# Several terminations MUST be able to feed the same one.
    //= tests/spec/iq.md#topology
    //# A leg MUST be exchanged under a call without harm to the crypto state of the other one.
    /// Where a stream of a termination goes, by topology.
    pub(crate) fn output(&self, termination: TerminationId, stream: StreamId) -> Option<&Stream> {
        self.outputs(&self.topology, termination, stream).next().map(|(_, stream)| stream)
    }

    fn outputs(
        &self,
        topology: &Topology,
        from: TerminationId,
        stream: StreamId,
    ) -> impl Iterator<Item = (TerminationId, &Stream)> {
        self.terminations
            .iter()
            .filter(move |&(to, _)| to != from && topology.carries(from, to, stream))
            .filter_map(move |(to, termination)| Some((to, termination.streams.get(stream)?)))
    }

    /// Refuses what the topology in force makes of new streams.
    pub(crate) fn check_streams(&self, field: &str) -> Result<(), CommandError> {
        let fault = |Fault { at: _, rule }| invalid(field, rule, Reason::TopologyRefused);
        self.check(&self.topology).map_err(fault)
    }

    /// Whether a relay that neither mixes nor copies can do it.
    fn check(&self, topology: &Topology) -> Result<(), Fault> {
        for (at, id, stream) in self.streams() {
            let mut outputs = self.outputs(topology, at, id);
            let (first, second) = (outputs.next(), outputs.next());
            //= tests/spec/iq.md#topology
            //# A topology in which a stream of a termination has two outputs MUST be refused.
            if second.is_some() {
                let rule = "lets a stream leave at two terminations; one is the most";
                return Err(Fault { at, rule });
            }
            let is_transparent = |stream: &Stream| stream.transport == Transport::Transparent;
            if first.is_some_and(|(_, to)| is_transparent(to) != is_transparent(stream)) {
                let rule = "a transparent stream must be transparent at both terminations";
                return Err(Fault { at, rule });
            }
        }
        Ok(())
    }
}

impl Transaction<'_, '_> {
    pub(crate) fn set_topology(&mut self, topology: SetTopology) -> Result<Reply, CommandError> {
        let SetTopology { context, change } = topology;
        match change {
            TopologyChange::Connect(from, to) => {
                self.termination(context, from)?;
                self.termination(context, to)?;
                if from == to {
                    let rule = "must differ from the other termination";
                    return Err(invalid("to_termination_id", rule, Reason::FieldValue));
                }
                connect(self.context(context)?, from, to, "to_termination_id")?;
            }
            TopologyChange::Associate(associations) => {
                let changed = self.context(context)?;
                let mut topology = changed.topology.clone();
                for (position, association) in associations.iter().enumerate() {
                    check_association(context, changed, association, position)?;
                    topology.associate(*association);
                }
                if associations.is_empty() || topology.associations().len() > MAX_ASSOCIATIONS {
                    let rule = "are 1 to 64 in a context";
                    return Err(invalid("associations", rule, Reason::FieldValue));
                }
                if let Err(Fault { at, rule }) = changed.check(&topology) {
                    let concerns = |one: &Association| one.from == at || one.to == at;
                    let position = associations.iter().rposition(concerns).unwrap_or_default();
                    let field = format!("associations[{position}]");
                    return Err(invalid(field, rule, Reason::TopologyRefused));
                }
                changed.topology = topology;
            }
        }
        Ok(Reply::Done { context })
    }
}

fn check_association(
    id: ContextId,
    context: &Context,
    association: &Association,
    position: usize,
) -> Result<(), CommandError> {
    let Association { from, to, relation: _, stream } = *association;
    for termination in [from, to] {
        let found = context.terminations.get(termination);
        let found = found.ok_or(CommandError::UnknownTermination(id, termination))?;
        if let Some(stream) = stream.filter(|&stream| !found.streams.contains_key(stream)) {
            let field = format!("associations[{position}].stream_id");
            return Err(CommandError::UnknownStream { field, termination, stream });
        }
    }
    if from == to {
        let field = format!("associations[{position}].to_termination_id");
        return Err(invalid(field, "must differ from the other termination", Reason::FieldValue));
    }
    Ok(())
}

/// Lets two terminations hear each other, and nobody else; end-to-end protection must be left alone
/// on both sides.
pub(crate) fn connect(
    context: &mut Context,
    from: TerminationId,
    to: TerminationId,
    field: &str,
) -> Result<(), CommandError> {
    let topology = Topology::Pair(from, to);
    if let Err(Fault { at: _, rule }) = context.check(&topology) {
        return Err(invalid(field, rule, Reason::FieldValue));
    }
    context.topology = topology;
    Ok(())
}
