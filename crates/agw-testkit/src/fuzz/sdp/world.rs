//! One call on a gateway whose ports exist on paper.

use std::time::{Instant, SystemTime};

use agw_context::{Circumstances, Command, Controller, Gateway, Policy, Ports, Reply};
use agw_relay::{CallId, Relay};
use agw_sdp::{AlgError, AlgPolicy, AnswerRequest, Calls, Dialogue, OfferRequest, Plan};
use agw_srtp::Portable;

use super::super::paper::{PaperPorts, realm};

const CALL: &str = "call-1";

/// What leaves; nothing if the request was refused.
type Output = Option<Vec<u8>>;

pub(super) struct World {
    calls: Calls,
    policy: AlgPolicy,
    gateway: Gateway,
    relay: Relay<Portable>,
    ports: PaperPorts,
    now: Instant,
    dice: u32,
    keys: u64,
}

impl World {
    pub(super) fn new(policy: AlgPolicy) -> Self {
        // Small pools, so that a call can exhaust them.
        let realms = vec![realm("access", 1, 40_000..=40_031), realm("core", 2, 41_000..=41_031)];
        let gateway = Gateway::new(Policy::default(), realms, [7; 64].into(), 1, 1);
        let Ok(gateway) = gateway else { panic!("the realms do not fit together") };
        Self {
            calls: Calls::new(1),
            policy,
            gateway,
            relay: Relay::new(Portable),
            ports: PaperPorts::default(),
            now: Instant::now(),
            dice: 1,
            keys: 0,
        }
    }

    pub(super) fn offer(&mut self, request: &OfferRequest<'_>) -> Output {
        let Self { calls, policy, keys, .. } = self;
        let call = calls.for_offer(CALL, &request.dialogue).ok()?;
        let plan = call.plan_offer(request, policy, &mut |octets| fill(keys, octets));
        self.carry_out(&request.dialogue, plan)
    }

    pub(super) fn answer(&mut self, request: &AnswerRequest<'_>) -> Output {
        let Self { calls, policy, keys, .. } = self;
        let call = calls.find(CALL, &request.dialogue)?;
        let plan = call.plan_answer(request, policy, &mut |octets| fill(keys, octets));
        self.carry_out(&request.dialogue, plan)
    }

    pub(super) fn reject(&mut self, dialogue: &Dialogue<'_>) -> Output {
        let plan = self.calls.find(CALL, dialogue)?.plan_reject(dialogue);
        self.carry_out(dialogue, plan)
    }

    pub(super) fn delete(&mut self, dialogue: &Dialogue<'_>) -> Output {
        let plan = self.calls.find(CALL, dialogue)?.plan_delete(dialogue);
        self.carry_out(dialogue, plan)
    }

    pub(super) fn hang_up(&mut self, dialogue: &Dialogue<'_>) -> Output {
        let plan = self.calls.find(CALL, dialogue)?.plan_end(dialogue);
        self.carry_out(dialogue, plan)
    }

    /// Ends every call: nothing of them may be left.
    pub(super) fn end(mut self) {
        let calls = self.calls.iter().map(|call| call.plan_delete_all());
        for plan in calls.collect::<Vec<_>>() {
            let (commands, _) = plan.into_parts();
            assert!(self.transact(commands).is_some(), "a release is refused");
        }
        assert_eq!((self.gateway.context_count(), self.ports.open.len()), (0, 0));
    }

    fn carry_out(&mut self, dialogue: &Dialogue<'_>, plan: Result<Plan, AlgError>) -> Output {
        let output = self.conclude(dialogue, plan);
        self.calls.tidy(CALL, dialogue);
        output
    }

    fn conclude(&mut self, dialogue: &Dialogue<'_>, plan: Result<Plan, AlgError>) -> Output {
        let (commands, pending) = plan.ok()?.into_parts();
        let replies = if commands.is_empty() { Vec::new() } else { self.transact(commands)? };
        // The first offer of a call has no dialogue to be found by yet.
        let call = match self.calls.find_mut(CALL, dialogue) {
            Some(call) => call,
            None => self.calls.for_offer(CALL, dialogue).ok()?,
        };
        match call.conclude(pending, &replies) {
            Ok(signalled) => Some(signalled.sdp.to_vec()),
            Err(error) => panic!("what the gateway has done is not concluded: {error}"),
        }
    }

    fn transact(&mut self, commands: Vec<Command>) -> Option<Vec<Reply>> {
        let Self { gateway, relay, ports, now, dice, .. } = self;
        let mut dice = |below: u32| {
            *dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*dice >> 8) % below.max(1)
        };
        let controller = Controller::local();
        let (now, at) = (*now, SystemTime::UNIX_EPOCH);
        let mut around =
            Circumstances { controller: &controller, ports, random: &mut dice, now, at };
        let outcome = gateway.transact(commands, &mut around).ok()?;
        for work in outcome.work {
            for step in work.steps {
                let done = relay.handle_command_of(CallId(work.context.0), step, now);
                assert!(done.is_ok(), "the packet path refuses what control decided: {done:?}");
            }
            work.closed.into_iter().for_each(|port| ports.close(port));
        }
        Some(outcome.replies)
    }
}

/// Octets that never come again, and are no fuzzer's: they begin with a count.
fn fill(keys: &mut u64, octets: &mut [u8]) {
    *keys += 1;
    octets.fill(0xA5);
    octets.iter_mut().zip(keys.to_be_bytes()).for_each(|(octet, count)| *octet = count);
}
