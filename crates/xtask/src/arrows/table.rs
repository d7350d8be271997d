//! The table of arrows.

/// Which packages of ours each package may be built on.
///
/// Below the sans-IO line stand agw-rtp, agw-srtp, agw-sdes, agw-relay, agw-context, agw-sdp
/// and agw-ng.
/// Control knows the vocabulary of the packet path, never the reverse.
const ARROWS: &[(&str, &[&str])] = &[
    ("agw-rtp", &[]),
    ("agw-srtp", &["agw-rtp"]),
    ("agw-simd", &["agw-srtp"]),
    ("agw-sdes", &["agw-srtp"]),
    ("agw-relay", &["agw-rtp", "agw-srtp"]),
    ("agw-context", &["agw-relay", "agw-sdes", "agw-srtp"]),
    ("agw-sdp", &["agw-context", "agw-relay", "agw-sdes", "agw-srtp"]),
    ("agw-iq", &["agw-context", "agw-relay", "agw-sdes", "agw-sdp", "agw-srtp"]),
    ("agw-net", &[]),
    ("agw-ng", &["agw-context", "agw-relay", "agw-sdp", "agw-srtp"]),
    ("agwd", PRODUCT),
    ("agwctl", &["agw-iq"]),
    ("agw-testkit", PRODUCT),
    ("agw-tests", EVERYTHING),
    ("agw-bench", EVERYTHING),
    ("xtask", &[]),
];

/// The libraries that a gateway is made of.
const PRODUCT: &[&str] = &[
    "agw-context",
    "agw-iq",
    "agw-net",
    "agw-ng",
    "agw-relay",
    "agw-rtp",
    "agw-sdes",
    "agw-sdp",
    "agw-simd",
    "agw-srtp",
];

/// The libraries with their test doubles: for tests and benchmarks only.
const EVERYTHING: &[&str] = &[
    "agw-context",
    "agw-iq",
    "agw-net",
    "agw-ng",
    "agw-relay",
    "agw-rtp",
    "agw-sdes",
    "agw-sdp",
    "agw-simd",
    "agw-srtp",
    "agw-testkit",
];

/// What is wrong with a package that is built on `dependencies` of ours.
pub(super) fn check(package: &str, dependencies: &[String]) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package) else {
        return vec![format!("{package} has no row in the table of arrows")];
    };
    dependencies
        .iter()
        .filter(|dependency| !allowed.contains(&dependency.as_str()))
        .map(|dependency| format!("forbidden arrow {package} -> {dependency}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(package: &str, dependency: &str) -> Vec<String> {
        check(package, &[dependency.to_owned()])
    }

    #[test]
    fn an_arrow_of_the_table_passes() {
        assert!(check_one("agw-srtp", "agw-rtp").is_empty());
        assert!(check_one("agwd", "agw-net").is_empty());
    }

    #[test]
    fn the_packet_path_may_not_know_control() {
        assert_eq!(
            check_one("agw-relay", "agw-context"),
            ["forbidden arrow agw-relay -> agw-context"]
        );
    }

    #[test]
    fn nothing_but_tests_and_benchmarks_may_be_built_on_test_doubles() {
        for (package, _) in ARROWS {
            let allowed = check_one(package, "agw-testkit").is_empty();
            assert_eq!(allowed, ["agw-tests", "agw-bench"].contains(package), "{package}");
        }
    }

    #[test]
    fn a_package_without_a_row_is_refused() {
        assert_eq!(check("agw-new", &[]), ["agw-new has no row in the table of arrows"]);
    }

    #[test]
    fn the_table_has_no_cycle_of_arrows() {
        let mut placed: Vec<&str> = Vec::new();
        while placed.len() < ARROWS.len() {
            let next = ARROWS.iter().find(|(name, to)| {
                !placed.contains(name)
                    && to.iter().all(|one| placed.contains(one) || *one == "agw-simd")
            });
            let (name, _) = next.expect("an arrow leads back");
            placed.push(name);
        }
    }
}
