//! What a refusal costs of an acceptance, in one run: processor time of the whole gateway, every
//! thread of it, kernel and gRPC included.
//!
//! A call that is taken is one transaction: both terminations with their sockets and keys, until the
//! workers have them. A call that is refused is the same transaction at a gateway that is full. Each
//! comes on a stream of transactions, as from a controller under load, and by a call of its own,
//! where both pay for a request of HTTP/2.

use std::time::Instant;

use tokio::task::JoinSet;

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;
use agw_iq::pb::transact_stream_response::Outcome;

use super::gateway::Gateway;
use super::{Controller, Options, call, context_of};

/// Calls that are taken in each of the two ways.
const ACCEPTED: u64 = 4_000;
/// Calls that are taken before the gateway is full.
pub(crate) const TAKEN: u64 = 2 * ACCEPTED;

pub(crate) async fn measure(gateway: &Gateway, controller: &mut Controller, options: &Options) {
    let calls = options.refusals;
    let client = IqClient::connect(&gateway.address, None).await.unwrap();
    let alone = Alone { client, rtcp: controller.rtcp, outstanding: controller.outstanding };
    println!("calls that are taken:");
    let began = Began::now(gateway);
    controller.offer(ACCEPTED, |answer| assert_ne!(context_of(answer), 0)).await;
    let taken = began.each("on a stream", ACCEPTED);
    let began = Began::now(gateway);
    alone.offer(ACCEPTED, |answer| assert!(answer.is_ok(), "{answer:?}")).await;
    let taken_alone = began.each("by a call of its own", ACCEPTED);

    println!("calls that are refused:");
    let full = ("EXHAUSTED", "contexts");
    let began = Began::now(gateway);
    controller
        .offer(calls, |answer| {
            let Some(Outcome::Refused(refusal)) = &answer.outcome else {
                panic!("taken: {answer:?}");
            };
            assert_eq!((refusal.reason.as_str(), refusal.limit.as_str()), full);
        })
        .await;
    let refused = began.each("on a stream", calls);
    let began = Began::now(gateway);
    alone
        .offer(calls, |answer| {
            let refused = answer.expect_err("taken");
            let limit = refused.limit.map(|limit| limit.name());
            assert_eq!((refused.reason.as_deref(), limit), (Some(full.0), Some(full.1)));
        })
        .await;
    let refused_alone = began.each("by a call of its own", calls);
    println!("a call that is taken costs as much as");
    println!("  {:.1} refusals on a stream (wanted: 20)", taken / refused);
    println!("  {:.1} refusals by a call of its own", taken_alone / refused_alone);
}

/// A moment, with what the gateway's threads had cost by then.
struct Began<'a> {
    gateway: &'a Gateway,
    at: Instant,
    on_cpu: u64,
}

impl<'a> Began<'a> {
    fn now(gateway: &'a Gateway) -> Self {
        Self { gateway, at: Instant::now(), on_cpu: gateway.on_cpu() }
    }

    /// Tells what each of so many calls has cost since, in microseconds.
    fn each(self, how: &str, calls: u64) -> f64 {
        let cost = (self.gateway.on_cpu() - self.on_cpu) as f64 / 1e3 / calls as f64;
        println!("  {how}: {calls} in {:.2?}, {cost:.2} us each", self.at.elapsed());
        cost
    }
}

/// Transactions by calls of their own, so many at a time.
struct Alone {
    client: IqClient,
    rtcp: pb::RtcpMode,
    outstanding: usize,
}

impl Alone {
    async fn offer(&self, calls: u64, heard: impl Fn(Result<(), CallError>)) {
        let mut under_way = JoinSet::new();
        for number in 0..calls {
            if under_way.len() == self.outstanding
                && let Some(answer) = under_way.join_next().await
            {
                heard(answer.unwrap());
            }
            let (client, commands) = (self.client.clone(), call(number, self.rtcp));
            under_way.spawn(async move { client.transact(commands).await.map(drop) });
        }
        while let Some(answer) = under_way.join_next().await {
            heard(answer.unwrap());
        }
    }
}
