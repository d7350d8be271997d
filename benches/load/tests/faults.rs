//! What a gateway does wrong is told for what it is, and to the packet.

use super::doctored::{Doctored, Fault};
use super::job;
use crate::meanwhile::Meanwhile;
use crate::plan::Traffic;
use crate::result::Phase;
use crate::screen::Screen;
use crate::site::Site;
use crate::target::Target;
use crate::window::{Bench, Task};
use crate::wire::SocketWire;

const CALLS: u64 = 3;
/// Packets of each call in each direction, and how many of them the gateway does wrong to.
const PACKETS: u64 = 50;
const FAULTY: u64 = PACKETS / 10;
/// All of those in one direction.
const SENT: u64 = CALLS * PACKETS;
const WRONG: u64 = CALLS * FAULTY;

async fn through(fault: Fault) -> Phase {
    let line = "run --suite none --seconds 1 --rtcp 0 --verify-one-in 1";
    let job = job(&format!("{line} --calls {CALLS}"));
    let args = job.traffic();
    let site = Site::loopback(args.family);
    let wire = |side| SocketWire::bind(side, 2).unwrap();
    let wires = [wire(&site.access), wire(&site.core)];
    let mut bench = Bench::new(wires, None, &Screen::new(), &job);
    let traffic = Traffic::new(args, args.calls).unwrap();
    let meanwhile = Meanwhile::Planned;
    let task = Task { name: "media", traffic: &traffic, slo: args.slo(), meanwhile };
    let mut target = Doctored::new(fault);
    let found = bench.measure(&mut target, task).await.unwrap();
    target.stop().await.unwrap();
    for path in [&found.phase.up, &found.phase.down] {
        assert_eq!(path.sent, SENT);
    }
    found.phase
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_the_gateway_drops_and_counts_are_lost_and_accounted_for() {
    let phase = through(Fault::DropsAndTells).await;
    assert_eq!((phase.up.lost, phase.down.lost), (WRONG, WRONG));
    assert_eq!(phase.ledger.gateway_drops["on purpose"], 2 * WRONG);
    assert_eq!(phase.ledger.gap, 0);
    assert!(phase.troubles().is_empty());
    assert!((phase.loss_percent() - 10.0).abs() < 1e-9);
    assert!(!phase.slo_kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_vanish_are_a_gap_in_the_ledger() {
    let phase = through(Fault::Drops).await;
    assert_eq!((phase.up.lost, phase.down.lost), (WRONG, WRONG));
    // The kernel's counters of drops may explain some, if the machine is busy with other packets.
    let explained: u64 = phase.ledger.network_drops.values().sum();
    assert_eq!(phase.ledger.gap.unsigned_abs() + explained, 2 * WRONG);
    let trouble = format!("media: {} packets unaccounted for", 2 * WRONG - explained);
    assert_eq!(phase.troubles(), [trouble]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_changed_bit_is_found_in_every_packet() {
    let phase = through(Fault::Alters).await;
    assert_eq!((phase.up.corrupted, phase.down.corrupted), (WRONG, WRONG));
    assert_eq!((phase.up.verified, phase.down.verified), (SENT - WRONG, SENT - WRONG));
    assert_eq!(phase.ledger.gap, 0);
    assert_eq!(phase.troubles().len(), 2, "{:?}", phase.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_of_another_call_are_not_taken_for_those_of_this_one() {
    let phase = through(Fault::Confuses).await;
    // The first call's wrong socket is its right one.
    let wrong = (CALLS - 1) * FAULTY;
    assert_eq!((phase.up.corrupted, phase.down.corrupted), (wrong, wrong));
    assert_eq!((phase.up.lost, phase.down.lost), (wrong, wrong));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_that_come_twice_or_late_are_counted_as_such_and_delivered_once() {
    let phase = through(Fault::Repeats).await;
    assert_eq!((phase.up.duplicated, phase.down.duplicated), (WRONG, WRONG));
    assert_eq!((phase.up.delivered, phase.ledger.gap), (SENT, 0));
    assert_eq!(phase.troubles().len(), 2, "{:?}", phase.troubles());

    let phase = through(Fault::Swaps).await;
    assert_eq!((phase.up.reordered, phase.down.reordered), (WRONG, WRONG));
    assert_eq!((phase.up.delivered, phase.up.lost, phase.ledger.gap), (SENT, 0, 0));
    assert!(phase.troubles().is_empty());
}
