//! The IMS-ALG over the control model: real plans, one request at a time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agw_context::Controller;
use agw_iq::alg::{
    Alg, AlgFailure, Answer, CallName, CallView, CountedStream, Deleted, Offer, Registered,
    Registration, Which,
};
use agw_iq::backend::{Backend, TransactError};
use agw_sdp::mediasec::{Agreed, MediaMechanism, Registering};
use agw_sdp::{
    AlgError, AlgPolicy, AnswerRequest, Call, Calls, Dialogue, OfferRequest, Plan, SideOptions,
    Signalled,
};

use crate::gateway::Stand;

/// The calls of one gateway.
pub(crate) struct Desk {
    stand: Arc<Stand>,
    calls: Mutex<Calls>,
}

/// Each key another one; nobody uses them.
fn random(octets: &mut [u8]) {
    static NEXT: Mutex<u8> = Mutex::new(1);
    for octet in octets {
        let mut next = NEXT.lock().expect("no panic");
        *next = next.wrapping_mul(5).wrapping_add(7);
        *octet = *next;
    }
}

fn dialogue(name: &CallName) -> Dialogue<'_> {
    Dialogue {
        from_tag: &name.from_tag,
        to_tag: name.to_tag.as_deref(),
        via_branch: name.via_branch.as_deref(),
    }
}

impl Desk {
    pub(crate) fn new(stand: Arc<Stand>) -> Self {
        Self { stand, calls: Mutex::new(Calls::new(8)) }
    }

    async fn carry_out(
        &self,
        id: &str,
        dialogue: &Dialogue<'_>,
        plan: Plan,
    ) -> Result<Signalled, AlgFailure> {
        let (commands, pending) = plan.into_parts();
        let completed = if commands.is_empty() {
            Vec::new()
        } else {
            self.stand.transact(Controller::local(), commands).await?
        };
        let replies: Vec<_> = completed.into_iter().map(|one| one.reply).collect();
        let mut calls = self.calls.lock().expect("no panic");
        let call = calls.find_mut(id, dialogue).ok_or(AlgError::UnknownCall)?;
        let signalled = call.conclude(pending, &replies)?;
        calls.tidy(id, dialogue);
        Ok(signalled)
    }

    fn plan(
        &self,
        id: &str,
        dialogue: &Dialogue<'_>,
        plan: impl FnOnce(&Call) -> Result<Plan, AlgError>,
    ) -> Result<Plan, AlgFailure> {
        let calls = self.calls.lock().expect("no panic");
        Ok(plan(calls.find(id, dialogue).ok_or(AlgError::UnknownCall)?)?)
    }

    fn first_tag(&self, which: &Which) -> Result<String, AlgFailure> {
        let calls = self.calls.lock().expect("no panic");
        let mut tags = calls.with_id(&which.call_id).filter_map(|call| call.tags().next());
        Ok(tags.next().map(|(tag, _)| tag.to_owned()).ok_or(AlgError::UnknownCall)?)
    }
}

impl Alg for Desk {
    async fn offer(&self, offer: Offer) -> Result<Signalled, AlgFailure> {
        let Offer { name, sdp, near, far, rekey, supersedes, drops, priority: _ } = &offer;
        let dialogue = dialogue(name);
        let (rekey, supersedes, drops) = (*rekey, *supersedes, *drops);
        let request = OfferRequest { dialogue, sdp, near, far, rekey, supersedes, drops };
        let policy = AlgPolicy::default();
        let plan = {
            let mut calls = self.calls.lock().expect("no panic");
            let call = calls.for_offer(&name.call_id, &dialogue)?;
            call.plan_offer(&request, &policy, &mut random)?
        };
        self.carry_out(&name.call_id, &dialogue, plan).await
    }

    async fn answer(&self, answer: Answer) -> Result<Signalled, AlgFailure> {
        let Answer { name, sdp, status, drops } = &answer;
        let dialogue = dialogue(name);
        let request = AnswerRequest { dialogue, sdp, status: *status, drops: *drops };
        let policy = AlgPolicy::default();
        let plan = |call: &Call| call.plan_answer(&request, &policy, &mut random);
        let plan = self.plan(&name.call_id, &dialogue, plan)?;
        self.carry_out(&name.call_id, &dialogue, plan).await
    }

    async fn reject(&self, name: CallName) -> Result<Signalled, AlgFailure> {
        let dialogue = dialogue(&name);
        let plan = self.plan(&name.call_id, &dialogue, |call| call.plan_reject(&dialogue))?;
        self.carry_out(&name.call_id, &dialogue, plan).await
    }

    async fn delete(&self, _: Controller, which: Which) -> Result<Deleted, AlgFailure> {
        let tag = self.first_tag(&which)?;
        let dialogue = Dialogue { from_tag: &tag, to_tag: None, via_branch: None };
        let views = self.query(Controller::local(), which.clone()).await?;
        let plan = self.plan(&which.call_id, &dialogue, |call| Ok(call.plan_delete_all()))?;
        self.carry_out(&which.call_id, &dialogue, plan).await?;
        let mut deleted = Deleted::default();
        for view in views {
            deleted.contexts.extend(view.context);
            deleted.streams.extend(view.streams);
        }
        Ok(deleted)
    }

    async fn query(&self, _: Controller, which: Which) -> Result<Vec<CallView>, AlgFailure> {
        self.first_tag(&which)?;
        let calls = self.calls.lock().expect("no panic");
        let tags = |call: &Call| {
            let owned = |(caller, callee): (&str, Option<&str>)| {
                (caller.to_owned(), callee.map(str::to_owned))
            };
            call.tags().map(owned).collect()
        };
        let counters = Some(crate::gateway::snapshots());
        let view = |call: &Call| CallView {
            call_id: call.id().to_owned(),
            dialogues: tags(call),
            context: call.context(),
            created: Some(std::time::SystemTime::UNIX_EPOCH),
            streams: call
                .streams()
                .into_iter()
                .map(|stream| CountedStream { stream, counters: counters.clone() })
                .collect(),
        };
        Ok(calls.with_id(&which.call_id).map(view).collect())
    }

    fn list(&self, _: &Controller, _: Option<&str>, _: usize) -> Vec<String> {
        Vec::new()
    }

    fn seen(
        &self,
        controller: &Controller,
        after: Option<&(Controller, String)>,
        limit: usize,
    ) -> Vec<(Controller, String)> {
        // More than a page of them.
        let names = (0..=1_000).map(|number| (controller.clone(), format!("call-{number:04}")));
        names.filter(|name| after.is_none_or(|after| name > after)).take(limit).collect()
    }

    fn register(&self, _: &Controller, _: &Registration) -> Result<Registering, AlgFailure> {
        Err(TransactError::Unavailable(agw_iq::backend::Unavailable).into())
    }

    fn registered(&self, _: &Controller, _: &str, _: Registered) -> Option<Agreed> {
        None
    }

    fn registration(&self, _: &Controller, ue: &str) -> Option<Agreed> {
        (ue == "alice").then(|| Agreed {
            mechanisms: [MediaMechanism::SdesSrtp].into(),
            protected_signalling: true,
            until: Instant::now() + Duration::from_secs(3_600),
        })
    }

    fn side(&self, _: &Controller, _: &str, realm: Option<String>) -> SideOptions {
        SideOptions::core(realm)
    }
}
