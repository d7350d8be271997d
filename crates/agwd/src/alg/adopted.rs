//! Calls whose contexts another controller has taken over, and UEs of a controller that is lost:
//! they go with them.

use tracing::error;

use agw_context::{ContextId, Controller};

use super::registrations::Registrations;
use super::table::Table;
use crate::metrics::Metrics;
use crate::presence::Presence;

/// What signalling has beside the contexts of a controller; clones are the same.
#[derive(Clone)]
pub(crate) struct Belongings {
    pub(crate) calls: Table,
    pub(crate) registrations: Registrations,
    /// Who is there still.
    pub(crate) presence: Presence,
}

impl Belongings {
    /// Moves the calls of contexts to the controller that has adopted them, and the UEs of a
    /// controller that has left it all its orphans, unless that one is there still.
    pub(crate) async fn adopt(
        &self,
        contexts: &[ContextId],
        from: Option<&Controller>,
        to: &Controller,
        metrics: &Metrics,
    ) {
        let connected = self.presence.connected();
        if let Some(from) = from.filter(|from| *from != to && !connected.contains(from)) {
            self.registrations.adopt(from, to);
            metrics.alg().registrations(self.registrations.len());
        }
        let forgotten = self.calls.adopt(contexts, to).await;
        metrics.alg().forgotten(forgotten);
        metrics.alg().calls(self.calls.len());
    }
}

impl Table {
    //= tests/spec/sdp.md#adoption
    //# The call of a context that was adopted MUST be its new controller's, and not known to the one
    //# before.
    /// Moves the calls of contexts to the controller that has adopted them, each when the request
    /// that is about it is done; tells how many had to be forgotten. One that cannot be told apart
    /// from another call of that controller is; its context stays.
    async fn adopt(&self, contexts: &[ContextId], to: &Controller) -> usize {
        let mut forgotten = 0;
        for &context in contexts {
            let Some(before) = self.owner(context).filter(|(owner, _)| owner != to) else {
                continue;
            };
            let after = (to.clone(), before.1.clone());
            let Some(mut held) = self.hold_to_forget(before).await else { continue };
            let Some(call) = held.take(context) else { continue };
            // Nobody waits for one call with another one in hand.
            drop(held);
            let mut held = self.hold_to_adopt(after.clone()).await;
            if !self.passes(context, after) {
                // It has ended meanwhile.
                continue;
            }
            let (controller, call_id) = (&to.0, call.id().to_owned());
            //= tests/spec/sdp.md#adoption
            //# A call that cannot go along with its context MUST be told in the log and counted.
            if let Err(reason) = held.give(call) {
                error!(%context, controller, call_id, %reason, "its context is adopted without it");
                self.ended(context);
                forgotten += 1;
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use agw_context::{LocalStream, Reply, StreamId, TerminationId, TerminationReply};
    use agw_sdp::{AlgPolicy, Dialogue, OfferRequest, SideOptions};

    use super::*;

    const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                         m=audio 4000 RTP/AVP 8\r\n";

    fn key(controller: &str) -> (Controller, String) {
        (Controller(controller.to_owned()), "call".to_owned())
    }

    /// An offer whose ports are reserved.
    async fn begin(table: &Table, controller: &str, context: ContextId, tag: &str) {
        let mut held = table.hold(key(controller), true).await.unwrap_or_else(|_| panic!("room"));
        let dialogue = Dialogue { from_tag: tag, to_tag: None, via_branch: None };
        let side = SideOptions::core(None);
        let request = OfferRequest {
            dialogue,
            sdp: SDP,
            near: &side,
            far: &side,
            rekey: false,
            supersedes: false,
            drops: None,
        };
        let call = held.for_offer("call", &dialogue).expect("room");
        let plan = call.plan_offer(&request, &AlgPolicy::default(), &mut |octets| octets.fill(7));
        let (commands, pending) = plan.expect("a plan").into_parts();
        let reserved = |termination| {
            let rtp = "192.0.2.9:5000".parse().expect("an address");
            let streams = vec![LocalStream { id: StreamId(1), rtp, rtcp: None }];
            Reply::Termination(TerminationReply {
                context,
                termination,
                streams,
                released: Vec::new(),
            })
        };
        let replies: Vec<Reply> =
            (1..).map(TerminationId).map(reserved).take(commands.len()).collect();
        let call = held.find_mut("call", &dialogue).expect("a call");
        let _ = call.conclude(pending, &replies).expect("an offer");
        table.note(context, held.key());
    }

    #[tokio::test]
    async fn a_call_goes_with_its_context_and_one_that_has_ended_meanwhile_does_not() {
        let table = Table::new(8);
        begin(&table, "old", ContextId(1), "a").await;
        begin(&table, "old", ContextId(2), "b").await;
        let new = Controller("new".to_owned());

        assert_eq!(table.adopt(&[ContextId(1), ContextId(9)], &new).await, 0);

        assert_eq!(table.list(&new, None, 9), ["call"]);
        assert_eq!(table.list(&key("old").0, None, 9), ["call"], "the other one");
        assert_eq!(table.ended(ContextId(1)), Some(key("new")));
        table.ended(ContextId(2));
        assert_eq!(table.adopt(&[ContextId(2)], &new).await, 0);
        assert_eq!(table.contexts(), []);
    }

    //= tests/spec/sdp.md#adoption
    //= type=test
    //# A call that cannot go along with its context MUST be told in the log and counted.
    #[tokio::test]
    async fn a_call_that_could_be_taken_for_another_one_is_forgotten() {
        let table = Table::new(8);
        begin(&table, "old", ContextId(1), "a").await;
        begin(&table, "new", ContextId(2), "a").await;

        assert_eq!(table.adopt(&[ContextId(1)], &key("new").0).await, 1, "told");

        assert_eq!(table.contexts(), [ContextId(2)]);
        assert_eq!(table.list(&key("old").0, None, 9), [""; 0]);
    }
}
