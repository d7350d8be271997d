//! Who is not heard, because the controller wants it so.

use agw_iq::pb;

use super::{Finding, finding};

/// What the topology stops at a leg.
pub(super) fn unheard(context: &pb::ContextInfo, termination: u32, stream: u32) -> Option<Finding> {
    let (mut hears, mut is_heard) = (false, false);
    for association in &context.associations {
        if association.stream_id != 0 && association.stream_id != stream {
            continue;
        }
        let from = association.from_termination_id == termination;
        let to = association.to_termination_id == termination;
        match association.relation() {
            pb::Relation::BothWay if from || to => (hears, is_heard) = (true, true),
            pb::Relation::OneWay => (hears, is_heard) = (hears || to, is_heard || from),
            pb::Relation::BothWay | pb::Relation::Isolate | pb::Relation::Unspecified => {}
        }
    }
    match (hears, is_heard) {
        (true, true) => None,
        (true, false) => {
            Some(finding("topology", "what the peer sends goes nowhere: one way (SetTopology)"))
        }
        (false, true) => {
            Some(finding("topology", "nobody speaks to the peer: one way (SetTopology)"))
        }
        (false, false) => {
            Some(finding("topology", "the leg is isolated from all others (SetTopology)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(relation: pb::Relation, termination: u32) -> Option<String> {
        let association = pb::Association {
            from_termination_id: 1,
            to_termination_id: 2,
            relation: relation.into(),
            stream_id: 0,
        };
        let context = pb::ContextInfo { associations: vec![association], ..Default::default() };
        unheard(&context, termination, 1).map(|found| found.text)
    }

    #[test]
    fn one_way_and_isolation_are_told_at_each_leg() {
        assert_eq!(said(pb::Relation::BothWay, 1), None);
        assert_eq!(said(pb::Relation::BothWay, 2), None);
        assert!(
            said(pb::Relation::OneWay, 1).is_some_and(|text| text.starts_with("nobody speaks"))
        );
        assert!(said(pb::Relation::OneWay, 2).is_some_and(|text| text.contains("goes nowhere")));
        assert!(said(pb::Relation::Isolate, 1).is_some_and(|text| text.contains("isolated")));
        assert!(said(pb::Relation::BothWay, 3).is_some_and(|text| text.contains("isolated")));
    }
}
