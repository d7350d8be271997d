//! What a refusal costs of an acceptance, in one run: processor time of the whole gateway, gRPC
//! included.

use std::time::Instant;

use agw_iq::pb::transact_stream_response::Outcome;

use super::gateway::Gateway;
use super::{Controller, context_of};

/// Calls that are taken before the gateway is full.
pub(crate) const ACCEPTED: u64 = 4_000;

pub(crate) async fn measure(gateway: &Gateway, controller: &mut Controller, calls: u64) {
    let before = gateway.on_cpu();
    let started = Instant::now();
    controller.offer(ACCEPTED, |answer| assert_ne!(context_of(answer), 0)).await;
    let (took, full) = (started.elapsed(), gateway.on_cpu());
    let accepted = (full - before) as f64 / 1e3 / ACCEPTED as f64;
    println!("{ACCEPTED} calls taken in {took:.2?}: {accepted:.1} us each");

    let (before, started) = (gateway.threads(), Instant::now());
    controller
        .offer(calls, |answer| {
            let Some(Outcome::Refused(refusal)) = &answer.outcome else {
                panic!("taken: {answer:?}");
            };
            assert_eq!(
                (refusal.reason.as_str(), refusal.limit.as_str()),
                ("EXHAUSTED", "contexts")
            );
        })
        .await;
    let took = started.elapsed();
    let mut refused = 0.0;
    for (thread, since) in gateway.threads().iter().zip(&before) {
        let cost = (thread.on_cpu - since.on_cpu) as f64 / 1e3 / calls as f64;
        refused += cost;
        if cost >= 0.05 {
            println!("{:16} {cost:.2} us a refusal", thread.name);
        }
    }
    println!("{calls} calls refused in {took:.2?}: {refused:.2} us each");
    println!("a call that is taken costs {:.1} times as much", accepted / refused);
}
