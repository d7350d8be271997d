//! What few streams ask for, kept apart so that all others pay for a pointer only.

use agw_relay::{IngressExtras, SourceFilter};

use crate::checks;
use crate::command::Family;
use crate::error::CommandError;

/// What few streams ask for; the default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamExtras {
    /// Who may send to the leg, besides what the source policy says (TS 23.334 §6.2.4).
    pub source_filter: Option<SourceFilter>,
}

/// A change of what few streams ask for; the default changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamExtrasChange {
    /// Who may send to the leg.
    pub source_filter: Change<SourceFilter>,
}

/// What becomes of something that may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It takes this value.
    Set(T),
    /// It goes away.
    Clear,
}

impl StreamExtras {
    /// As a stream keeps it: nothing if nothing is asked for.
    pub(crate) fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }

    /// These, with a change.
    pub(crate) fn changed(mut self, change: StreamExtrasChange) -> Self {
        let StreamExtrasChange { source_filter } = change;
        source_filter.apply(&mut self.source_filter);
        self
    }

    /// Refuses what does not fit together or does not fit the termination.
    pub(crate) fn check(&self, field: &str, family: Family) -> Result<(), CommandError> {
        let Self { source_filter } = self;
        if let Some(filter) = source_filter {
            checks::source_filter(filter, &format!("{field}.source_filter"), family)?;
        }
        Ok(())
    }

    /// What the receiving half must know.
    pub(crate) fn of_ingress(&self) -> Option<Box<IngressExtras>> {
        let extras = IngressExtras { source_filter: self.source_filter, group: None };
        (extras != IngressExtras::default()).then(|| Box::new(extras))
    }
}

impl<T> Change<T> {
    fn apply(self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Set(new) => *value = Some(new),
            Self::Clear => *value = None,
        }
    }
}
