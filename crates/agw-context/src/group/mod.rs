//! A conference's group on one stream of a context (TR 33.829 clause 5): what the focus sends is
//! sealed once and leaves to every member, and what members send goes to the focus.
//!
//! Members are streams like any other, with ports, gates and addresses of their own, but without
//! egress keys: those are the group's, and the ingress keys may be too.

mod churn;
mod command;
mod member;
mod procedures;
mod staging;

use std::collections::BTreeMap;
use std::time::Duration;

use agw_relay::{CollisionRule, EgressId, EgressSpec, GroupSpec, IngressId, Member, Transport};
use agw_srtp::Suite;

use crate::audit::KeyView;
use crate::few::Few;
use crate::gateway::Gateway;
use crate::held::Keys;
use crate::id::{ContextId, GroupId, StreamId, TerminationId};
use crate::model::{Context, Stream};

pub(crate) use churn::Churn;
pub use command::{GroupKey, GroupKeyChange, RekeyInterval, RemoveGroup, SetGroup};
pub(crate) use member::Candidate;
pub use procedures::MAX_REKEY_INTERVAL;

/// The groups of a context; few contexts have any.
pub(crate) type Groups = Option<Box<Few<GroupId, Group>>>;

/// A group as control remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// A leg's number without a leg: that of the sending state.
    pub(crate) leg: u32,
    pub(crate) stream: StreamId,
    pub(crate) focus: TerminationId,
    pub(crate) transport: Transport,
    pub(crate) collisions: CollisionRule,
    pub(crate) rekey_interval: Option<Duration>,
    pub(crate) max_members: usize,
    /// From which fresh SSRCs follow.
    pub(crate) seed: u64,
    pub(crate) ingress_keys: Keys,
    pub(crate) egress_keys: Keys,
}

/// A group as audited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The group.
    pub id: GroupId,
    /// Its stream.
    pub stream: StreamId,
    /// The termination of the focus.
    pub focus: TerminationId,
    /// What travels on members' legs.
    pub transport: Transport,
    /// What becomes of a second sender with one SSRC under one key.
    pub collisions: CollisionRule,
    /// How long changes of membership gather; `None` if they are not told.
    pub rekey_interval: Option<Duration>,
    /// The most members.
    pub max_members: usize,
    /// The members' terminations, in order.
    pub members: Vec<TerminationId>,
    /// The keys that open what members send, if they share one.
    pub ingress_key: Option<KeyView>,
    /// The keys that seal what leaves to members.
    pub egress_key: Option<KeyView>,
    /// The sending state, for its counters.
    pub egress: EgressId,
}

impl Group {
    pub(crate) const fn egress_id(&self) -> EgressId {
        EgressId(self.leg)
    }

    /// The suite of its keys, once it has any.
    fn suite(&self) -> Option<Suite> {
        let installed =
            self.egress_keys.installed.as_ref().or(self.ingress_keys.installed.as_ref());
        installed.map(|keys| keys.suite)
    }

    /// Whether members send under one key.
    fn has_members_key(&self) -> bool {
        self.ingress_keys.installed.is_some()
    }

    /// Whether a key in force for members, one that was, or one that waits and may be used already,
    /// is also the gateway's own: what members have sent under it stays sent.
    fn seals_in_domain(&self) -> bool {
        self.ingress_keys
            .fingerprints()
            .any(|key| self.egress_keys.in_force().any(|own| own == key))
    }
}

impl Gateway {
    /// What happens in a group is told of its focus.
    pub(crate) fn own_groups(&mut self, id: ContextId, context: &Context) {
        for (_, group) in context.groups() {
            self.own_leg(group.leg, (id, group.focus, group.stream));
        }
    }
}

impl Context {
    pub(crate) fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.groups.iter().flat_map(|groups| groups.iter())
    }

    pub(crate) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.as_ref()?.get(id)
    }

    /// The members of a group, in order of their terminations.
    fn members(&self, id: GroupId) -> impl Iterator<Item = (TerminationId, &Stream)> {
        let streams = self.streams();
        streams
            .filter(move |(.., stream)| stream.group() == Some(id))
            .map(|(termination, _, stream)| (termination, stream))
    }

    /// Where a stream goes, and whether its traffic class is copied there: from members to the
    /// focus, from the focus to all members, else by topology.
    pub(crate) fn way(
        &self,
        termination: TerminationId,
        id: StreamId,
        stream: &Stream,
    ) -> (Option<EgressId>, bool) {
        let is_focus = |group: &Group| (group.focus, group.stream) == (termination, id);
        let to_one = |to: Option<&Stream>| {
            (to.map(Stream::egress_id), to.is_some_and(Stream::copies_traffic_class))
        };
        if let Some(group) = stream.group() {
            let focus = self.group(group).and_then(|group| self.terminations.get(group.focus));
            return to_one(focus.and_then(|focus| focus.streams.get(id)));
        }
        match self.groups().find(|(_, group)| is_focus(group)) {
            Some((number, group)) => {
                let copies = self.members(number).any(|(_, member)| member.copies_traffic_class());
                (Some(group.egress_id()), copies)
            }
            None => to_one(self.output(termination, id)),
        }
    }

    /// The sending state that a member's SSRCs are known to.
    pub(crate) fn group_of(&self, stream: &Stream) -> Option<EgressId> {
        self.group(stream.group()?).map(Group::egress_id)
    }

    /// What the packet path must know of each group.
    pub(crate) fn group_specs(&self) -> BTreeMap<u32, EgressSpec> {
        let spec = |(id, group): (GroupId, &Group)| {
            let mut members: Vec<Member> =
                self.members(id).map(|(_, stream)| stream.member()).collect();
            members.sort_unstable();
            let spec = GroupSpec {
                members,
                collisions: group.collisions,
                seals_in_domain: group.seals_in_domain(),
                seed: group.seed,
            };
            (group.leg, EgressSpec::of_group(group.transport, spec))
        };
        self.groups().map(spec).collect()
    }

    pub(crate) fn group_views(&self) -> Vec<GroupView> {
        let view = |(id, group): (GroupId, &Group)| GroupView {
            id,
            stream: group.stream,
            focus: group.focus,
            transport: group.transport,
            collisions: group.collisions,
            rekey_interval: group.rekey_interval,
            max_members: group.max_members,
            members: self.members(id).map(|(termination, _)| termination).collect(),
            ingress_key: group.ingress_keys.view(),
            egress_key: group.egress_keys.view(),
            egress: group.egress_id(),
        };
        self.groups().map(view).collect()
    }
}

impl Stream {
    /// The group that it is a member of.
    pub(crate) fn group(&self) -> Option<GroupId> {
        self.extras.as_ref()?.group
    }

    fn copies_traffic_class(&self) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.marking(0).copies())
    }

    const fn member(&self) -> Member {
        Member { ingress: IngressId(self.leg), egress: EgressId(self.leg) }
    }
}
