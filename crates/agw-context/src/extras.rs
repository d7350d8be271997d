//! What few streams ask for, kept apart so that all others pay for a pointer only.

use agw_relay::{CodePoint, EgressExtras, IngressExtras, Marking, SourceFilter};

use crate::checks;
use crate::command::{DscpRule, EcnRule, Family};
use crate::error::CommandError;

/// What few streams ask for; the default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamExtras {
    /// Who may send to the leg, besides what the source policy says (TS 23.334 §6.2.4).
    pub source_filter: Option<SourceFilter>,
    /// Which code point leaves (TS 23.334 §6.2.7).
    pub dscp: DscpRule,
    /// What becomes of the ECN field (TS 23.334 §6.2.14).
    pub ecn: EcnRule,
}

/// A change of what few streams ask for; the default changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamExtrasChange {
    /// Who may send to the leg.
    pub source_filter: Change<SourceFilter>,
    /// Which code point leaves; `None` stays as it is.
    pub dscp: Option<DscpRule>,
    /// What becomes of the ECN field; `None` stays as it is.
    pub ecn: Option<EcnRule>,
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
        let StreamExtrasChange { source_filter, dscp, ecn } = change;
        source_filter.apply(&mut self.source_filter);
        self.dscp = dscp.unwrap_or(self.dscp);
        self.ecn = ecn.unwrap_or(self.ecn);
        self
    }

    /// Refuses what does not fit together or does not fit the termination.
    pub(crate) fn check(&self, field: &str, family: Family) -> Result<(), CommandError> {
        let Self { source_filter, dscp, ecn: _ } = self;
        checks::dscp(*dscp, field)?;
        if let Some(filter) = source_filter {
            checks::source_filter(filter, &format!("{field}.source_filter"), family)?;
        }
        Ok(())
    }

    /// How what leaves is marked in a realm with this code point.
    pub(crate) const fn marking(&self, of_realm: u8) -> Marking {
        let copies_ecn = matches!(self.ecn, EcnRule::Copy);
        let code_point = match self.dscp {
            DscpRule::Realm if copies_ecn => CodePoint::Set(of_realm),
            DscpRule::Realm => CodePoint::OfPort,
            DscpRule::Set(code_point) => CodePoint::Set(code_point),
            DscpRule::Copy => CodePoint::Copied,
        };
        Marking { code_point, copies_ecn }
    }

    /// What the sending half must know in a realm with this code point.
    pub(crate) fn of_egress(&self, of_realm: u8) -> Option<Box<EgressExtras>> {
        let extras = EgressExtras { marking: self.marking(of_realm), ..EgressExtras::default() };
        (extras != EgressExtras::default()).then(|| Box::new(extras))
    }

    /// What the receiving half must know; `opposite` is what the leg asks for that packets go to.
    pub(crate) fn of_ingress(&self, opposite: Option<&Self>) -> Option<Box<IngressExtras>> {
        let extras = IngressExtras {
            source_filter: self.source_filter,
            group: None,
            reads_traffic_class: opposite.is_some_and(|opposite| opposite.marking(0).copies()),
        };
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
