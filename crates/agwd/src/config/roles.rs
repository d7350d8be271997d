//! Which identities have which role.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use agw_context::Controller;
use agw_iq::Role;

/// The longest pattern, in octets: that of an identity.
const LONGEST: usize = 255;

/// Patterns of identities for each role: a name, or the beginning of names and `*`. Without any
/// every certificate of the authority is a controller's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Whoever has contexts of its own: P-CSCFs, eMSC servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controller: Vec<String>,
    /// Whoever only looks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observer: Vec<String>,
    /// Whoever may do everything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operator: Vec<String>,
}

impl Roles {
    /// Whether no role has a pattern.
    pub(crate) fn is_empty(&self) -> bool {
        self.patterns().next().is_none()
    }

    /// The role of an identity, by the longest pattern that fits; `None` if none does.
    pub(crate) fn of(&self, identity: &Controller) -> Option<Role> {
        if self.is_empty() {
            return Some(Role::Controller);
        }
        self.patterns()
            .filter(|(pattern, _)| fits(pattern, &identity.0))
            .max_by_key(|(pattern, _)| pattern.len())
            .map(|(_, role)| role)
    }

    /// The rule that the patterns break, if they break one.
    pub(crate) fn broken(&self) -> Option<&'static str> {
        let mut seen = BTreeSet::new();
        for (pattern, _) in self.patterns() {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            let is_readable = name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'*');
            if !is_readable || !(1..=LONGEST).contains(&pattern.len()) {
                return Some(
                    "a pattern is 1 to 255 visible characters, with * at its end if at all",
                );
            }
            if !seen.insert(pattern) {
                return Some("a pattern stands for one role");
            }
        }
        None
    }

    fn patterns(&self) -> impl Iterator<Item = (&str, Role)> {
        let Self { controller, observer, operator } = self;
        let roles = [
            (controller, Role::Controller),
            (observer, Role::Observer),
            (operator, Role::Operator),
        ];
        roles.into_iter().flat_map(|(patterns, role)| {
            patterns.iter().map(move |pattern| (pattern.as_str(), role))
        })
    }
}

/// Whether a pattern stands for a name; `*` stands for at least one character.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.len() > start.len() && name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        let list = |patterns: &[&str]| patterns.iter().map(ToString::to_string).collect();
        Roles {
            controller: list(&["spiffe://a/*", "alg.example"]),
            observer: list(&["spiffe://a/observer/*"]),
            operator: list(&["spiffe://a/operator/1"]),
        }
    }

    #[test]
    fn the_longest_pattern_that_fits_decides() {
        let table = [
            ("spiffe://a/pcscf/1", Some(Role::Controller)),
            ("alg.example", Some(Role::Controller)),
            ("alg.example.net", None),
            ("spiffe://a/observer/9", Some(Role::Observer)),
            ("spiffe://a/observer/", Some(Role::Controller)),
            ("spiffe://a/operator/1", Some(Role::Operator)),
            ("spiffe://a/operator/12", Some(Role::Controller)),
            ("spiffe://a/", None),
            ("spiffe://b/pcscf/1", None),
        ];
        for (identity, role) in table {
            assert_eq!(roles().of(&Controller(identity.to_owned())), role, "{identity}");
        }
        let anybody = Controller("spiffe://z/1".to_owned());
        assert_eq!(Roles::default().of(&anybody), Some(Role::Controller));
    }

    #[test]
    fn patterns_that_mean_nothing_or_two_things_are_broken() {
        assert_eq!(roles().broken(), None);
        for pattern in ["", "a*b", "**", "a b", "alg.example"] {
            let mut broken = roles();
            broken.operator.push(pattern.to_owned());
            assert!(broken.broken().is_some(), "{pattern:?}");
        }
    }
}
