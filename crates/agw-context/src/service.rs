//! In service and out of it (H.248.1 §7.2.8, TS 23.334 §6.1), and how loaded.

use std::sync::Arc;
use std::time::SystemTime;

use crate::event::{EventKind, Subject};
use crate::gateway::Gateway;

/// Whether the gateway takes new contexts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceState {
    /// New contexts are welcome.
    #[default]
    InService,
    /// No new contexts; those that exist go on (graceful).
    Draining,
    /// No contexts at all (forced).
    Locked,
}

/// Why the state of service changed, with its reason of H.248.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceCause {
    /// The gateway has started: nothing of an earlier life is left.
    Started,
    /// The operator takes it out of service.
    Operator,
    /// It is in service again after a lock.
    Restored,
    /// A drain was called off.
    Cancelled,
}

impl ServiceCause {
    /// The ServiceChangeReason of H.248.8.
    #[must_use]
    pub const fn h248_reason(self) -> u16 {
        match self {
            Self::Restored => 900,
            Self::Started => 901,
            Self::Operator => 905,
            Self::Cancelled => 918,
        }
    }
}

/// How loaded the gateway is; each level includes what those before it say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum OverloadLevel {
    /// Nothing to heed.
    #[default]
    Normal,
    /// Other gateways are better for new calls.
    Elevated,
    /// Normal calls will soon be refused.
    High,
    /// Normal calls are refused, priority and emergency calls admitted.
    Shedding,
    /// Every new call is refused.
    Critical,
}

impl OverloadLevel {
    /// By how much the load must fall below a level before that is left, in percent: enough that a
    /// load at the brink does not tell an event a second, too little to keep anybody out.
    pub const HYSTERESIS: u8 = 3;

    /// The level of a load of 0 to 100 percent, of which `reserve` is kept for priority calls.
    #[must_use]
    pub const fn of(percent: u8, reserve: u8) -> Self {
        let open = 100 - if reserve > 50 { 50 } else { reserve };
        if percent >= 100 {
            Self::Critical
        } else if percent >= open {
            Self::Shedding
        } else if percent as u16 * 10 >= open as u16 * 9 {
            Self::High
        } else if percent as u16 * 4 >= open as u16 * 3 {
            Self::Elevated
        } else {
            Self::Normal
        }
    }

    /// The level after this one: up at once, down as soon as the load is clearly below.
    #[must_use]
    pub fn next(self, percent: u8, reserve: u8) -> Self {
        let level = Self::of(percent, reserve);
        if level >= self {
            return level;
        }
        self.min(Self::of(percent.saturating_add(Self::HYSTERESIS), reserve)).max(level)
    }
}

impl Gateway {
    /// Changes the state of service; nothing happens if it is that already.
    pub fn set_service(
        &mut self,
        state: ServiceState,
        cause: ServiceCause,
        reason: Option<&str>,
        at: SystemTime,
    ) {
        if state == self.service {
            return;
        }
        self.service = state;
        let reason = reason.map(Arc::from);
        let kind = match state {
            ServiceState::Draining => EventKind::Draining { reason },
            ServiceState::InService | ServiceState::Locked => {
                EventKind::ServiceChanged { state, cause, reason }
            }
        };
        self.events.push(at, None, kind);
    }

    /// The state of service.
    #[must_use]
    pub const fn service_state(&self) -> ServiceState {
        self.service
    }

    /// Tells an event that did not happen in the control model.
    pub fn tell_event(&mut self, at: SystemTime, subject: Option<Subject>, kind: EventKind) {
        self.events.push(at, subject, kind);
    }
}

#[cfg(test)]
mod tests {
    use super::OverloadLevel::{Critical, Elevated, High, Normal, Shedding};
    use super::*;

    #[test]
    fn a_level_is_told_by_what_is_open_to_normal_calls() {
        let levels = [0, 67, 68, 80, 81, 89, 90, 99, 100].map(|load| OverloadLevel::of(load, 10));
        let expected =
            [Normal, Normal, Elevated, Elevated, High, High, Shedding, Shedding, Critical];
        assert_eq!(levels, expected);
        assert_eq!(OverloadLevel::of(99, 0), High);
        assert_eq!(OverloadLevel::of(50, 100), Shedding);
    }

    //= tests/spec/iq.md#admission
    //= type=test
    //# An overload level MUST be left when the load is below it, without waiting for less.
    #[test]
    fn a_level_is_entered_at_once_and_left_when_the_load_is_clearly_below() {
        let steps = [(95, Shedding), (88, Shedding), (86, High), (10, Normal), (100, Critical)];
        let mut level = Normal;
        for (percent, expected) in steps {
            level = level.next(percent, 10);
            assert_eq!(level, expected, "{percent}");
        }
        assert_eq!(Critical.next(98, 10), Critical);
        assert_eq!(Critical.next(96, 10), Shedding);
    }
}
