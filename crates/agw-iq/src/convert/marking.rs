//! How what leaves is marked.

use agw_context::{DscpRule, EcnRule};

use crate::invalid::InvalidRequest;
use crate::pb;

/// Reads which code point leaves.
pub(crate) fn dscp_rule(dscp: &pb::DiffServ) -> Result<DscpRule, InvalidRequest> {
    let pb::DiffServ { rule, code_point } = dscp;
    let rule = match pb::DscpRule::try_from(*rule) {
        Ok(pb::DscpRule::Unspecified) => return Err(InvalidRequest::missing("rule")),
        Ok(pb::DscpRule::Realm) => DscpRule::Realm,
        Ok(pb::DscpRule::Copy) => DscpRule::Copy,
        Ok(pb::DscpRule::Set) => {
            let number = code_point.ok_or_else(|| InvalidRequest::missing("code_point"))?;
            let number = u8::try_from(number).ok().filter(|number| *number <= 63);
            let rule = || InvalidRequest::value("code_point", "is 0 to 63");
            return Ok(DscpRule::Set(number.ok_or_else(rule)?));
        }
        Err(_) => return Err(InvalidRequest::unknown("rule", *rule)),
    };
    if code_point.is_some() {
        return Err(InvalidRequest::value("code_point", "is for DSCP_RULE_SET only"));
    }
    Ok(rule)
}

/// Reads what becomes of the ECN field; `None` if it is not said.
pub(super) fn ecn_rule(ecn: i32) -> Result<Option<EcnRule>, InvalidRequest> {
    match pb::EcnRule::try_from(ecn) {
        Ok(pb::EcnRule::Unspecified) => Ok(None),
        Ok(pb::EcnRule::NotEct) => Ok(Some(EcnRule::NotEct)),
        Ok(pb::EcnRule::Copy) => Ok(Some(EcnRule::Copy)),
        Err(_) => Err(InvalidRequest::unknown("ecn", ecn)),
    }
}
