//! All flows of one worker, and how control changes them.

use std::collections::BTreeSet;
use std::time::Instant;

use agw_srtp::{Engine, KeyError};
use arrayvec::ArrayVec;

use crate::batch::MAX_BATCH;
use crate::binding::{Binding, bindings};
use crate::egress::Egress;
use crate::former::Former;
use crate::inactivity::Watches;
use crate::ingress::Ingress;
use crate::own::OwnPorts;
use crate::pre_key::PreKeys;
use crate::refusal::{Refusal, Telling};
use crate::report::{Report, Reports};
use crate::spare::Spare;
use crate::spec::{CallId, Command, EgressId, EgressSpec, IngressCrypto, IngressId, IngressSpec};
use crate::stats::{EgressSnapshot, IngressSnapshot, RelayStats};
use crate::suspects::Suspects;
use crate::table::Table;
use crate::told::Told;
use crate::untold::Untold;

/// The packet path of one worker: every flow whose ports that worker reads.
///
/// State is owned by direction. What a packet from A to B needs is the ingress of A and the
/// egress of B, and both belong to the relay that receives from A; the way back may belong to
/// another one.
pub struct Relay<E: Engine> {
    pub(crate) engine: E,
    pub(crate) ports: Table<Binding>,
    /// Where the gateway itself is heard from.
    pub(crate) own_ports: Box<[OwnPorts]>,
    /// Boxed, as egresses are: numbers are dense over all workers, and this one has some of them.
    pub(crate) ingresses: Table<Box<Ingress<E::Keys>>>,
    pub(crate) egresses: Table<Box<Egress<E::Keys>>>,
    pub(crate) stats: RelayStats,
    pub(crate) reports: Reports,
    pub(crate) suspects: Suspects,
    pub(crate) told: Told,
    pub(crate) untold: Untold,
    pub(crate) pre_keys: PreKeys,
    pub(crate) former: Former,
    pub(crate) deadlines: BTreeSet<(Instant, IngressId)>,
    pub(crate) watches: Watches,
    /// Sending halves whose first report has passed, and which have no room for it.
    pub(crate) without_quality: ArrayVec<EgressId, MAX_BATCH>,
    /// Groups whose lists of senders are almost full.
    pub(crate) crowded: ArrayVec<EgressId, MAX_BATCH>,
    /// Receiving halves whose deadline a packet has moved.
    pub(crate) moved_deadlines: ArrayVec<IngressId, MAX_BATCH>,
    pub(crate) spare: Spare,
}

/// The packet path could not do what control asked: control's own checks should have caught it.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The ingress does not exist.
    #[error("there is no ingress {0:?}")]
    UnknownIngress(IngressId),
    /// The egress does not exist.
    #[error("there is no egress {0:?}")]
    UnknownEgress(EgressId),
    /// The keys do not fit.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The last word of what was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// Nothing was removed.
    Nothing,
    /// An ingress with its final state.
    Ingress(IngressId, Box<IngressSnapshot>),
    /// An egress with its final state.
    Egress(EgressId, Box<EgressSnapshot>),
}

impl<E: Engine> Relay<E> {
    /// A relay without flows.
    pub fn new(engine: E) -> Self {
        Self {
            engine,
            ports: Table::default(),
            own_ports: Box::default(),
            ingresses: Table::default(),
            egresses: Table::default(),
            stats: RelayStats::default(),
            reports: Reports::new(),
            suspects: Suspects::new(),
            told: Told::new(),
            untold: Untold::new(),
            pre_keys: PreKeys::new(),
            former: Former::default(),
            deadlines: BTreeSet::new(),
            watches: Watches::default(),
            without_quality: ArrayVec::new(),
            crowded: ArrayVec::new(),
            moved_deadlines: ArrayVec::new(),
            spare: Spare::full(),
        }
    }

    /// Applies one command, in force for the next batch, for whom all flows are one call.
    ///
    /// # Errors
    /// As [`Relay::handle_command_of`].
    pub fn handle_command(
        &mut self,
        command: Command,
        now: Instant,
    ) -> Result<Removed, ApplyError> {
        self.handle_command_of(CallId::default(), command, now)
    }

    /// Applies one command about flows of a call, in force for the next batch.
    ///
    /// # Errors
    /// [`ApplyError`] if the command names what does not exist, or keys do not fit together;
    /// nothing has changed then.
    pub fn handle_command_of(
        &mut self,
        call: CallId,
        command: Command,
        now: Instant,
    ) -> Result<Removed, ApplyError> {
        let removed = self.apply(call, command, now);
        self.make_room();
        removed
    }

    fn apply(
        &mut self,
        call: CallId,
        command: Command,
        now: Instant,
    ) -> Result<Removed, ApplyError> {
        match command {
            Command::SetIngress(id, spec) => {
                self.set_ingress(id, spec, now);
                self.watch_activity(id, now);
                self.arrange_pre_key(id, now);
                self.watch_deadline(id);
            }
            Command::RemoveIngress(id) => return self.remove_ingress(call, id),
            Command::SetEgress(id, spec) => self.set_egress(call, id, spec, now)?,
            Command::RemoveEgress(id) => {
                let egress = self.egresses.remove(id.0).ok_or(ApplyError::UnknownEgress(id))?;
                return Ok(Removed::Egress(id, Box::new(egress.snapshot())));
            }
            Command::IngressCrypto(id, change) => {
                self.change_ingress_crypto(call, id, change, now)?;
            }
            Command::EgressCrypto(id, change) => {
                let egress = self.egresses.at_mut(id.0).ok_or(ApplyError::UnknownEgress(id))?;
                egress.change_crypto(&self.engine, change)?;
                egress.share_keys();
                report_egress_keys(id, egress, &mut self.reports);
            }
            Command::GroupIngressCrypto(id, change) => {
                self.change_group_ingress(call, id, change, now)?;
            }
            Command::Follow(id, component, address) => {
                let egress = self.egresses.at_mut(id.0).ok_or(ApplyError::UnknownEgress(id))?;
                egress.follow(component, address);
            }
            Command::EndCall => self.former.forget(call),
        }
        Ok(Removed::Nothing)
    }

    /// Makes anew what the packets of a batch, or datagrams that the kernel refused, have taken of the
    /// memory made ahead, and makes room for what they have brought. To be called between two batches:
    /// then no packet allocates memory. Commands and timeouts do it as well.
    pub fn make_room(&mut self) {
        self.spare.fill();
        self.make_room_for_quality();
        self.make_room_for_senders();
        self.untold.make_room();
        while let Some(id) = self.moved_deadlines.pop() {
            self.watch_deadline(id);
        }
    }

    /// Does what is due between two batches: wipes replaced keys whose overlap has ended, drops
    /// what has waited for its key for too long, and makes room for what packets have brought.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.make_room();
        self.look_for_activity(now);
        self.tell_untold(now);
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            if let Some(ingress) = self.ingresses.at_mut(id.0) {
                ingress.watched = None;
                if let Some(crypto) = &mut ingress.crypto {
                    crypto.handle_timeout(now);
                }
            }
            self.handle_pre_key_timeout(id, now);
            self.watch_deadline(id);
        }
    }

    /// When [`Relay::handle_timeout`] is due at the latest; ask again after every command, batch
    /// with [`Relay::make_room`], and timeout.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keys = self.deadlines.first().map(|&(deadline, _)| deadline);
        keys.into_iter().chain(self.watches.next()).chain(self.untold.next()).min()
    }

    /// Whether [`Relay::handle_timeout`] will wipe keys that are at their end.
    #[must_use]
    pub fn wipes_keys(&self, now: Instant) -> bool {
        self.deadlines.first().is_some_and(|&(deadline, _)| deadline <= now)
    }

    /// The oldest report not yet taken; call until `None` after every batch and command.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop()
    }

    /// Reports that were lost because nobody took them in time.
    #[must_use]
    pub const fn reports_lost(&self) -> u64 {
        self.reports.lost()
    }

    /// The counters of all flows together.
    #[must_use]
    pub const fn stats(&self) -> &RelayStats {
        &self.stats
    }

    /// One ingress, copied out.
    #[must_use]
    pub fn ingress(&self, id: IngressId) -> Option<IngressSnapshot> {
        self.ingresses.at(id.0).map(|ingress| ingress.snapshot(self.key_pool_of(ingress)))
    }

    /// When an ingress accepted a packet last: an authentic one on a secured leg, one of the right
    /// source on others.
    #[must_use]
    pub fn last_accepted(&self, id: IngressId) -> Option<Instant> {
        self.ingresses.at(id.0).and_then(|ingress| ingress.last_accepted())
    }

    /// One egress, copied out.
    #[must_use]
    pub fn egress(&self, id: EgressId) -> Option<EgressSnapshot> {
        self.egresses.at(id.0).map(|egress| egress.snapshot())
    }

    /// Charges a datagram of so many octets that the kernel refused to the egress it was sent for.
    //= tests/spec/relay.md#sockets
    //# Datagrams that the kernel refused to send MUST be counted.
    pub fn handle_send_refused(
        &mut self,
        id: EgressId,
        refusal: Refusal,
        octets: usize,
        now: Instant,
    ) {
        self.stats.refused += 1;
        let Some(egress) = self.egresses.at_mut(id.0) else {
            return;
        };
        match egress.refused(refusal, now, &mut self.spare) {
            Telling::Nothing => {}
            //= tests/spec/relay.md#mtu
            //# A datagram that is too long for its path MUST be told to the controller, at most
            //# once a second for a stream.
            Telling::TooBig => self.reports.push(Report::TooBig { egress: id, octets }),
            Telling::Released => self.reports.push(Report::Released { egress: id, refusal }),
        }
    }

    fn set_ingress(&mut self, id: IngressId, spec: IngressSpec, now: Instant) {
        // A port that is not read any more must not lead here.
        if let Some(before) = self.ingresses.at(id.0) {
            for (port, _) in bindings(&before.spec) {
                self.ports.remove(port.0);
            }
        }
        for (port, carries) in bindings(&spec) {
            self.ports.insert(port.0, Binding { ingress: id, carries });
        }
        let Some(ingress) = self.ingresses.at_mut(id.0) else {
            self.ingresses.insert(id.0, Box::new(Ingress::new(spec, now)));
            return;
        };
        let reverse = spec.reverse;
        let keeps_what_it_learnt = ingress.change(spec, now);
        if let (false, Some(egress)) = (keeps_what_it_learnt, self.egresses.at_mut(reverse.0)) {
            egress.unlearn();
        }
    }

    fn set_egress(
        &mut self,
        call: CallId,
        id: EgressId,
        spec: EgressSpec,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let before = self.egresses.at(id.0).and_then(|egress| egress.group_spec());
        let joined = spec.joined(before);
        for member in &joined {
            if let Some(egress) = self.egresses.at_mut(member.egress.0) {
                egress.make_room_for_copies();
            }
        }
        let Some(egress) = self.egresses.at_mut(id.0) else {
            self.egresses.insert(id.0, Box::new(Egress::new(spec)));
            return Ok(());
        };
        egress.change(spec);
        self.welcome(call, id, &joined, now)
    }

    fn remove_ingress(&mut self, call: CallId, id: IngressId) -> Result<Removed, ApplyError> {
        self.drop_kept(id);
        self.note_former(call, id);
        let ingress = self.ingresses.remove(id.0).ok_or(ApplyError::UnknownIngress(id))?;
        for (port, _) in bindings(&ingress.spec) {
            self.ports.remove(port.0);
        }
        self.watches.forget(id);
        if let Some(deadline) = ingress.watched {
            self.deadlines.remove(&(deadline, id));
        }
        let snapshot = ingress.snapshot(self.key_pool_of(&ingress));
        Ok(Removed::Ingress(id, Box::new(snapshot)))
    }

    fn change_ingress_crypto(
        &mut self,
        call: CallId,
        id: IngressId,
        change: IngressCrypto,
        now: Instant,
    ) -> Result<(), ApplyError> {
        let staged = |relay: &Self| relay.ingresses.at(id.0).and_then(|it| it.staged_number());
        let activates = matches!(change, IngressCrypto::Activate { .. });
        let before = staged(self);
        self.apply_ingress_crypto(call, id, change, now)?;
        if let Some(number) = before.filter(|_| !activates && staged(self) != before) {
            self.reports.push(Report::StagedKeyDiscarded(id, number));
        }
        Ok(())
    }

    /// Changes an ingress's keys; what becomes of one that waited is not told.
    pub(crate) fn apply_ingress_crypto(
        &mut self,
        call: CallId,
        id: IngressId,
        change: IngressCrypto,
        now: Instant,
    ) -> Result<(), ApplyError> {
        if matches!(change, IngressCrypto::Remove) {
            self.drop_kept(id);
            self.note_former(call, id);
        }
        let ingress = self.ingresses.at_mut(id.0).ok_or(ApplyError::UnknownIngress(id))?;
        ingress.change_crypto(&self.engine, change, now)?;
        self.resume_keys(call, id);
        let ingress = self.ingresses.at_mut(id.0).ok_or(ApplyError::UnknownIngress(id))?;
        report_ingress_keys(id, ingress, &mut self.reports);
        self.arrange_pre_key(id, now);
        self.watch_deadline(id);
        Ok(())
    }
}

pub(crate) fn report_ingress_keys<K>(
    id: IngressId,
    ingress: &mut Ingress<K>,
    reports: &mut Reports,
) {
    while let Some(event) = ingress.crypto.as_mut().and_then(|crypto| crypto.poll_event()) {
        reports.push(Report::IngressKey(id, event));
    }
}

pub(crate) fn report_egress_keys<K>(id: EgressId, egress: &mut Egress<K>, reports: &mut Reports) {
    while let Some(event) = egress.poll_key_event() {
        reports.push(Report::EgressKey(id, event));
    }
}
