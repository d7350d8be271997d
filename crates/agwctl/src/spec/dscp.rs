//! Which code point leaves, as the operator writes it.

use std::str::FromStr;

use agw_iq::pb;

use super::Dscp;

impl FromStr for Dscp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "realm" => Ok(Self::Realm),
            "copy" => Ok(Self::Copy),
            number => match number.parse() {
                Ok(code_point @ 0..=63) => Ok(Self::Set(code_point)),
                Ok(64..) | Err(_) => Err("realm, copy or a code point, 0 to 63"),
            },
        }
    }
}

impl Dscp {
    pub(super) fn to_wire(self) -> pb::DiffServ {
        let (rule, code_point) = match self {
            Self::Realm => (pb::DscpRule::Realm, None),
            Self::Copy => (pb::DscpRule::Copy, None),
            Self::Set(code_point) => (pb::DscpRule::Set, Some(code_point.into())),
        };
        pb::DiffServ { rule: rule.into(), code_point }
    }
}
