//! The table of threats: what tests of attacks have written, a line for each threat and backend.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A threat by its group, number and backend.
type Place = (char, u32, String);

/// All tests of a threat together.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    threat: String,
    tried: u64,
    outcome: String,
}

/// What stands for the best outcome; every other one is worse.
const WITHSTOOD: &str = "withstood";

/// The table from lines of `id<TAB>threat<TAB>backend<TAB>tried<TAB>outcome`, with the count of
/// those withstood below; nothing without lines.
pub(super) fn table(text: &str) -> String {
    let rows = read(text);
    if rows.is_empty() {
        return String::new();
    }
    let mut table =
        format!("{:<5}{:<64}{:<9}{:>10}  outcome\n", "id", "threat", "backend", "tried");
    for ((group, number, backend), Row { threat, tried, outcome }) in &rows {
        let id = format!("{group}{number}");
        let _ = writeln!(table, "{id:<5}{threat:<64}{backend:<9}{tried:>10}  {outcome}");
    }
    let apply = rows.values().filter(|row| !row.outcome.starts_with("not applicable"));
    let (withstood, all) = apply.fold((0, 0), |(withstood, all), row| {
        (withstood + usize::from(row.outcome == WITHSTOOD), all + 1)
    });
    let _ = writeln!(table, "withstood {withstood} of {all}");
    table
}

/// The threats, by group: media plane T1 to T21, control plane C1 to C12.
const THREATS: [(char, u32); 2] = [('T', 21), ('C', 12)];

/// The threats that no line tells of, for each of the backends.
pub(super) fn untried(text: &str, backends: &[&str]) -> Vec<String> {
    let rows = read(text);
    let mut untried = Vec::new();
    for (group, most) in THREATS {
        for number in 1..=most {
            for backend in backends {
                if !rows.contains_key(&(group, number, (*backend).to_owned())) {
                    untried.push(format!("{group}{number} on {backend}"));
                }
            }
        }
    }
    untried
}

fn read(text: &str) -> BTreeMap<Place, Row> {
    let mut rows: BTreeMap<Place, Row> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (id, threat, backend, tried, outcome) = (next(), next(), next(), next(), next());
        let mut letters = id.chars();
        let Some(group) = letters.next() else { continue };
        let number = letters.as_str().parse().unwrap_or(0);
        let tried = tried.parse().unwrap_or(0);
        let row = rows.entry((group, number, backend)).or_insert_with(|| Row {
            threat,
            tried: 0,
            outcome: WITHSTOOD.to_owned(),
        });
        row.tried += tried;
        if outcome != WITHSTOOD {
            row.outcome = outcome;
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_a_threat_add_up_and_one_that_failed_decides() {
        let text = "T2\tinjection\tsockets\t100\twithstood\n\
                    T10\tamplification\txdp\t7\twithstood\n\
                    T2\tinjection\tsockets\t23\twithstood\n\
                    C1\tbad certificates\tsockets\t5\tNOT WITHSTOOD\n\
                    C1\tbad certificates\tsockets\t5\twithstood\n\
                    C12\tinterception\tsockets\t0\tnot applicable: there is no such channel\n";

        let table = table(text);

        let rows: Vec<_> = table.lines().skip(1).collect();
        assert_eq!(rows.len(), 5, "{table}");
        let words: Vec<Vec<_>> = rows.iter().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["C1", "bad", "certificates", "sockets", "10", "NOT", "WITHSTOOD"]);
        assert_eq!(words[1][..4], ["C12", "interception", "sockets", "0"]);
        assert_eq!(words[2], ["T2", "injection", "sockets", "123", "withstood"]);
        assert_eq!(words[3], ["T10", "amplification", "xdp", "7", "withstood"]);
        assert_eq!(rows[4], "withstood 2 of 3");
    }

    #[test]
    fn a_threat_without_a_line_is_untried_on_that_backend() {
        let lines = |skip: &str| -> String {
            let rows = THREATS.iter().flat_map(|&(group, most)| {
                (1..=most).map(move |number| format!("{group}{number}"))
            });
            let rows = rows.filter(|id| id != skip);
            rows.map(|id| format!("{id}\tthreat\tsockets\t1\twithstood\n")).collect()
        };
        assert_eq!(untried(&lines(""), &["sockets"]), Vec::<String>::new());
        assert_eq!(untried(&lines("T7"), &["sockets"]), ["T7 on sockets"]);
        assert_eq!(untried(&lines(""), &["sockets", "xdp"]).len(), 33);
    }

    #[test]
    fn without_attacks_there_is_no_table() {
        assert_eq!(table(""), "");
    }
}
