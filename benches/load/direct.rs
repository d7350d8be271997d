//! The way from the generator to itself: what latency is there without a gateway.

use std::time::Duration;

use anyhow::Context;

use crate::clock::Clock;
use crate::latency::Times;
use crate::result::Distribution;
use crate::wire::{Outgoing, Wire};

/// Packets sent.
const PACKETS: u32 = 3_000;
/// The time between two, in nanoseconds.
const EVERY: u64 = 300_000;
/// How long the last ones may take, in nanoseconds.
const PATIENCE: u64 = 50_000_000;

/// Sends voice packets from one wire to the other and tells how long they took.
///
/// # Errors
/// The kernel's.
pub(crate) fn direct<W: Wire>([from, to]: &mut [W; 2]) -> anyhow::Result<Distribution> {
    agw_net::set_timer_slack(Duration::from_micros(1))?;
    let destination = to.addresses().first().copied().context("a wire without address")?;
    let clock = Clock::start();
    let mut sent_at = vec![0; PACKETS as usize];
    let mut times = Times::new()?;
    let mut octets = [0; 172];
    let start = clock.now();
    let mut sent = 0;
    while clock.now() < start + u64::from(PACKETS) * EVERY + PATIENCE {
        if sent < PACKETS && clock.now() >= start + u64::from(sent) * EVERY {
            if let Some(front) = octets.first_chunk_mut() {
                *front = sent.to_be_bytes();
            }
            if let Some(time) = sent_at.get_mut(sent as usize) {
                *time = clock.now();
            }
            from.send(0, &[Outgoing { destination, octets: &octets }])?;
            sent += 1;
        }
        let now = clock.now();
        to.receive(|datagram| {
            let number = datagram.octets.first_chunk().copied().map(u32::from_be_bytes);
            let sent = number.and_then(|number| sent_at.get(number as usize));
            let at = datagram.arrived.map_or(now, |time| clock.of(time));
            if let Some(sent) = sent {
                times.record_ns(at.saturating_sub(*sent));
            }
        })?;
        if times.count() == u64::from(PACKETS) {
            break;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(times.distribution())
}
