//! When each packet is due: calls are spread evenly over the time between two of their packets,
//! and the directions of a call over the time between two calls.

use std::time::Duration;

use crate::packet::Direction;
use crate::plan::{Pace, Traffic};

/// Due times in nanoseconds from the start of the window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timetable {
    calls: u64,
    rtp_ns: Option<u64>,
    rtcp_ns: u64,
}

impl Timetable {
    /// The timetable of some traffic.
    pub(crate) fn new(traffic: &Traffic) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            calls: u64::from(traffic.calls.max(1)),
            rtp_ns: match traffic.pace {
                Pace::Every(time) => Some(ns(time)),
                Pace::Window(_) => None,
            },
            rtcp_ns: traffic.rtcp_interval.map_or(0, ns),
        }
    }

    /// Whether RTP has due times.
    pub(crate) const fn is_paced(&self) -> bool {
        self.rtp_ns.is_some()
    }

    /// When the RTP packet at `step` of the schedule is due; steps alternate between directions.
    pub(crate) fn rtp_step(&self, step: u64) -> u64 {
        step * self.rtp_ns.unwrap_or_default() / (2 * self.calls)
    }

    /// When the RTCP packet at `step` of its schedule is due.
    pub(crate) const fn rtcp_step(&self, step: u64) -> u64 {
        step * self.rtcp_ns / (2 * self.calls)
    }

    /// When an RTP packet is due.
    pub(crate) fn rtp(&self, direction: Direction, call: u32, number: u32) -> u64 {
        self.rtp_step(self.step(direction, call, number))
    }

    /// When an RTCP packet is due.
    pub(crate) fn rtcp(&self, direction: Direction, call: u32, number: u32) -> u64 {
        self.rtcp_step(self.step(direction, call, number))
    }

    fn step(&self, direction: Direction, call: u32, number: u32) -> u64 {
        (u64::from(number) * self.calls + u64::from(call)) * 2 + direction.index() as u64
    }
}
