//! Heartbeats, lost controllers and orphans: what is due, and what comes of it.

use std::future::pending;
use std::time::{Instant, SystemTime};

use tokio::sync::oneshot;
use tokio::time::sleep_until;
use tracing::{error, info, warn};

use agw_context::{
    AdoptContexts, CommandError, Confirmation, ContextId, Controller, Event, EventKind,
    ReleaseCause, Suspect, Unasked,
};

use super::Control;
use super::request::{Notice, Request};
use crate::last::Last;
use crate::worker::Order;

/// What the gateway has released on its own account, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Released([u64; ReleaseCause::ALL.len()]);

impl Released {
    /// Every cause with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReleaseCause, u64)> {
        ReleaseCause::ALL.into_iter().zip(self.0)
    }

    fn add(&mut self, cause: ReleaseCause, more: u64) {
        let of_cause = ReleaseCause::ALL.into_iter().zip(&mut self.0);
        of_cause.filter(|(of, _)| *of == cause).for_each(|(_, count)| *count += more);
    }
}

/// A suspect, and when its media was heard last.
pub(crate) type Looked = (Suspect, Option<Instant>);

/// Waits for a moment, or for ever.
pub(super) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due.into()).await,
        None => pending().await,
    }
}

impl Control {
    /// Tells the gateway who has a connection.
    pub(super) fn look_who_is_there(&mut self) {
        let connected = self.presence.connected();
        let before = self.gateway.orphan_count();
        self.gateway.handle_presence(&connected, Instant::now(), SystemTime::now());
        let regained = before.saturating_sub(self.gateway.orphan_count());
        if regained > 0 {
            info!(contexts = regained, "a lost controller is back with its contexts");
        }
        self.owners.note(&self.gateway, None);
    }

    /// Does what is due.
    pub(super) async fn supervise(&mut self) {
        let before = self.gateway.orphan_count();
        let suspects = self.gateway.handle_timeout(Instant::now(), SystemTime::now());
        let lost = self.gateway.orphan_count().saturating_sub(before);
        if lost > 0 {
            warn!(contexts = lost, "a controller is lost: its contexts are orphans, media goes on");
        }
        self.owners.note(&self.gateway, None);
        self.look_at(suspects).await;
    }

    /// Takes a controller's word on terminations; tells those that it may not speak for.
    pub(super) async fn confirm(
        &mut self,
        controller: &Controller,
        words: &[Confirmation],
    ) -> Vec<Confirmation> {
        let (unknown, suspects) = self.gateway.confirm(controller, words, Instant::now());
        self.look_at(suspects).await;
        unknown
    }

    /// Makes a controller the owner of orphans.
    pub(super) fn adopt(
        &mut self,
        controller: &Controller,
        which: AdoptContexts,
    ) -> Result<Vec<ContextId>, CommandError> {
        let adopted = self.gateway.adopt(controller, which, Instant::now(), SystemTime::now());
        self.owners.note(&self.gateway, None);
        match &adopted {
            Ok(contexts) => {
                info!(controller = controller.0, contexts = contexts.len(), "contexts adopted");
            }
            Err(error) => info!(controller = controller.0, %error, "adoption refused"),
        }
        adopted
    }

    /// Whether a controller may take over what the event calls an orphan.
    pub(super) fn may_adopt(&self, controller: &Controller, event: &Event) -> bool {
        if let EventKind::ContextOrphaned { controller: from } = &event.kind {
            self.gateway.may_adopt(controller, from)
        } else {
            false
        }
    }

    /// Asks the workers when suspects were heard last; the answers come back as
    /// [`Request::Judge`], so that nobody waits for them. Suspects for which that does not matter
    /// are judged at once.
    async fn look_at(&mut self, suspects: Vec<Suspect>) {
        let (later, now): (Vec<_>, Vec<_>) =
            suspects.into_iter().partition(|suspect| !suspect.ingresses.is_empty());
        let now: Vec<Looked> = now.into_iter().map(|suspect| (suspect, None)).collect();
        self.judge(&now).await;
        let mut asked = Vec::with_capacity(later.len());
        for suspect in later {
            let (answer, heard) = oneshot::channel();
            let ingresses = suspect.ingresses.clone();
            if let Some(worker) = self.worker_of(suspect.context) {
                worker.give(Order::Heard { ingresses, answer }).await;
                asked.push((suspect, heard));
            }
        }
        self.workers.iter_mut().for_each(crate::worker::WorkerHandle::wake);
        let (Some(own), false) = (self.own.upgrade(), asked.is_empty()) else {
            return;
        };
        tokio::spawn(async move {
            let mut suspects = Vec::with_capacity(asked.len());
            for (suspect, heard) in asked {
                // A worker that is gone takes the gateway with it.
                if let Ok(heard) = heard.await {
                    suspects.push((suspect, heard));
                }
            }
            // Control has ended.
            let _ = own.send(Request::Judge { suspects }).await;
        });
    }

    /// Releases those suspects whose time is up.
    pub(super) async fn judge(&mut self, suspects: &[Looked]) {
        let (mut unasked, before) = (Unasked::default(), self.released);
        for (suspect, heard) in suspects {
            let operator = Controller::local();
            let released =
                self.act(&operator, |gateway, around| gateway.judge(suspect, *heard, around));
            self.released.add(suspect.cause, released.forsaken.len() as u64);
            unasked.work.extend(released.work);
            unasked.forsaken.extend(released.forsaken);
        }
        for ((cause, before), (_, now)) in before.iter().zip(self.released.iter()) {
            if now > before {
                let (cause, released) = (cause.name(), now - before);
                warn!(cause, released, "released on the gateway's own account");
            }
        }
        drop(self.finish_unasked(unasked).await);
    }

    /// Releases those of the contexts that exist; tells how many, and how to wait for that.
    pub(super) async fn release_unasked(
        &mut self,
        contexts: &[ContextId],
        cause: ReleaseCause,
    ) -> (usize, oneshot::Receiver<()>) {
        let places: Vec<_> = contexts.iter().map(|&context| (context, None)).collect();
        let unasked = self.act(&Controller::local(), |gateway, around| {
            gateway.release_unasked(&places, cause, around)
        });
        let released = unasked.forsaken.len();
        self.released.add(cause, released as u64);
        if cause == ReleaseCause::Failed {
            for context in contexts {
                error!(%context, "released: the packet path could not carry out what was asked");
            }
        }
        (released, self.finish_unasked(unasked).await)
    }

    //= tests/spec/iq.md#release
    //# What the gateway itself releases MUST be told with its final statistics.
    /// Has the workers do what nobody waits for, and tells the last statistics when they have; tells
    /// how to wait for that.
    async fn finish_unasked(&mut self, unasked: Unasked) -> oneshot::Receiver<()> {
        let Unasked { work, forsaken } = unasked;
        self.owners.note(&self.gateway, None);
        let mut acknowledgements = Vec::with_capacity(work.len());
        for work in work {
            acknowledgements.push(self.assign(work).await);
        }
        self.workers.iter_mut().for_each(crate::worker::WorkerHandle::wake);
        let (done, finished) = oneshot::channel();
        let own = self.own.upgrade();
        tokio::spawn(async move {
            let mut last = Last::default();
            for acknowledgement in acknowledgements {
                // What fails has been logged by the worker.
                if let Ok(applied) = acknowledgement.await {
                    last.add(applied);
                }
            }
            for forsaken in forsaken {
                let told = Box::new(last.told(forsaken));
                let (answer, _) = oneshot::channel();
                if let Some(own) = &own {
                    // Control has ended.
                    let _ = own.send(Request::Notice(Notice::Tell { told, answer })).await;
                }
            }
            // Nobody waits.
            let _ = done.send(());
        });
        finished
    }
}
