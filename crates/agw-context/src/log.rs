//! Events kept for controllers that come back.

use std::collections::VecDeque;
use std::time::SystemTime;

use crate::event::{Event, EventKind, Subject};

/// The last events, numbered from 1.
#[derive(Debug)]
pub(crate) struct EventLog {
    events: VecDeque<Event>,
    capacity: usize,
    next: u64,
}

/// The events asked for are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events before number {oldest} are gone")]
pub struct EventsGone {
    /// The oldest event that is left.
    pub oldest: u64,
}

impl EventLog {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity, next: 1 }
    }

    pub(crate) fn push(&mut self, at: SystemTime, subject: Option<Subject>, kind: EventKind) {
        if self.events.len() >= self.capacity {
            self.events.pop_front();
        }
        self.events.push_back(Event { sequence: self.next, at, subject, kind });
        //= tests/spec/iq.md#events
        //# Events MUST be numbered without gaps.
        self.next += 1;
    }

    /// The number of the newest event, 0 before the first.
    pub(crate) const fn newest(&self) -> u64 {
        self.next - 1
    }

    /// The events after number `after`, at most `limit`.
    pub(crate) fn after(&self, after: u64, limit: usize) -> Result<Vec<Event>, EventsGone> {
        let oldest = self.next - self.events.len() as u64;
        //= tests/spec/iq.md#events
        //# A subscriber whose number is no longer kept MUST be told so.
        let skip = after.saturating_add(1).checked_sub(oldest).ok_or(EventsGone { oldest })?;
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        //= tests/spec/iq.md#events
        //# A subscriber that resumes MUST get every event after the number that it names.
        Ok(self.events.iter().skip(skip).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(capacity: usize, events: usize) -> EventLog {
        let mut log = EventLog::new(capacity);
        for _ in 0..events {
            log.push(SystemTime::UNIX_EPOCH, None, EventKind::TransmitIndexReused);
        }
        log
    }

    fn numbers(log: &EventLog, after: u64) -> Result<Vec<u64>, EventsGone> {
        Ok(log.after(after, 10)?.into_iter().map(|event| event.sequence).collect())
    }

    //= tests/spec/iq.md#events
    //= type=test
    //# Events MUST be numbered without gaps.
    //= tests/spec/iq.md#events
    //= type=test
    //# A subscriber that resumes MUST get every event after the number that it names.
    #[test]
    fn events_are_numbered_from_one_and_resumed_after_a_number() {
        let log = log(10, 4);
        assert_eq!(numbers(&log, 0), Ok(vec![1, 2, 3, 4]));
        assert_eq!(numbers(&log, 3), Ok(vec![4]));
        assert_eq!(numbers(&log, 4), Ok(vec![]));
        assert_eq!(log.newest(), 4);
    }

    //= tests/spec/iq.md#events
    //= type=test
    //# A subscriber whose number is no longer kept MUST be told so.
    #[test]
    fn what_has_left_the_log_is_said_to_be_gone() {
        let log = log(2, 5);
        assert_eq!(numbers(&log, 2), Err(EventsGone { oldest: 4 }));
        assert_eq!(numbers(&log, 3), Ok(vec![4, 5]));
    }
}
