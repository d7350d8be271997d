//! The full audit, with statistics and page by page, beside media.

use std::time::{Duration, Instant};

use agw_iq::client::IqClient;

use super::gateway::Gateway;
use super::talk::Talkers;
use super::{Controller, context_of};

/// Calls that talk, a packet every 20 ms from one side to the other.
const TALKING: u32 = 100;
/// Descriptors of the gateway that are no media ports.
const OTHER_DESCRIPTORS: u64 = 600;
/// How long they are heard without an audit.
const ALONE: Duration = Duration::from_secs(3);
const AUDITS: usize = 7;

pub(crate) async fn measure(gateway: &Gateway, controller: &mut Controller, contexts: u64) {
    let silent = contexts.saturating_sub(TALKING.into());
    let ports = agw_net::descriptor_limit().unwrap().saturating_sub(OTHER_DESCRIPTORS);
    // A termination takes a descriptor.
    let calls = ports.saturating_sub(2 * u64::from(TALKING) + silent).min(silent);
    for (terminations, contexts) in [(2, calls), (1, silent - calls)] {
        controller.terminations = terminations;
        controller.offer(contexts, |answer| assert_ne!(context_of(answer), 0)).await;
        println!("{contexts} silent contexts of {terminations} terminations");
    }
    let client = IqClient::connect(&gateway.address, None).await.unwrap();
    let talkers = Talkers::set_up(&client, TALKING, false, 0).await;
    let talk = talkers.talk(0);
    tokio::time::sleep(ALONE).await;
    talk.end("media alone");

    let (talk, before) = (talkers.talk(0), gateway.on_cpu());
    let mut times = Vec::new();
    for _ in 0..AUDITS {
        let started = Instant::now();
        let audited = client.contexts(true).await.unwrap();
        times.push(started.elapsed());
        assert_eq!(audited.len() as u64, contexts);
    }
    let cost = Duration::from_nanos((gateway.on_cpu() - before) / AUDITS as u64);
    talk.end("media beside audits");
    times.sort_unstable();
    let (median, worst) = (times[AUDITS / 2], times[AUDITS - 1]);
    println!(
        "audit of {contexts} contexts (wanted: 10,000 in 2 s): median {median:.0?}, worst {worst:.0?}, \
         {cost:.0?} of a core"
    );
}
