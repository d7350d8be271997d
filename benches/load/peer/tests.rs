use super::outcome::GROSS;
use super::*;
use crate::report::html::check_nesting;
use crate::result::{
    ControlFigures, CoreUse, Distribution, Ledger, LoadPoint, PathFigures, Phase, Plan, ProcessUse,
    TargetInfo,
};

fn arguments(text: &str) -> PeerArgs {
    let words = ["agw-load", "peer"].into_iter().chain(text.split_whitespace());
    let Command::Peer(args) = Cli::try_parse_from(words).unwrap().command else {
        panic!("not a peer comparison");
    };
    args
}

/// A run in which a packet cost `cost_ns`, and so on in proportion.
fn made_up(cost_ns: f64) -> RunResult {
    let path = PathFigures { sent: 500_000, delivered: 500_000, ..PathFigures::default() };
    let gateway = ProcessUse { cpu_seconds: cost_ns / 1_000.0, ..ProcessUse::default() };
    let latency = Distribution { count: 1, p50_us: cost_ns / 100.0, ..Distribution::default() };
    let phase = Phase {
        seconds: 10.0,
        up: path.clone(),
        down: path,
        latency,
        gateway,
        cores: vec![CoreUse { core: 1, ..CoreUse::default() }],
        ledger: Ledger { sent: 1_000_000, delivered: 1_000_000, ..Ledger::default() },
        slo_kept: true,
        ..Phase::default()
    };
    let highest = LoadPoint {
        calls: (1e7 / cost_ns) as usize,
        packets_per_second: 1e9 / cost_ns,
        slo_kept: true,
        ..LoadPoint::default()
    };
    RunResult {
        format: FORMAT,
        started_unix_s: 1_795_273_917,
        command: Vec::new(),
        machine: crate::result::Machine::default(),
        target: TargetInfo::default(),
        plan: Plan::default(),
        phases: vec![phase],
        series: vec![highest.clone()],
        highest: Some(highest),
        control: Some(ControlFigures { set_up_per_second: 4_000.0, ..ControlFigures::default() }),
    }
}

fn outcome(args: &PeerArgs, costs: &[(Subject, &[f64])]) -> Outcome {
    let mut series = Series::new(args).unwrap();
    for (subject, rounds) in costs {
        for (round, cost_ns) in (1..).zip(*rounds) {
            for scenario in Scenario::ALL.into_iter().filter(|one| one.applies_to(*subject)) {
                let mut command = vec!["agw-load".to_owned()];
                command.extend(scenario.words(args, *subject, 100));
                let result = made_up(*cost_ns);
                let measurement =
                    Measurement { round, subject: *subject, scenario, command, result };
                series.outcome.measurements.push(measurement);
            }
        }
    }
    series.outcome
}

#[test]
fn every_measurement_is_a_command_that_can_be_repeated() {
    let args = arguments("--netns --quick");
    for scenario in Scenario::ALL {
        for subject in Subject::ALL.into_iter().filter(|subject| scenario.applies_to(*subject)) {
            let mut command = vec!["agw-load".to_owned()];
            command.extend(scenario.words(&args, subject, 1_234));
            let parsed = Cli::try_parse_from(&command);
            assert!(parsed.is_ok(), "{command:?}: {}", parsed.unwrap_err());
        }
    }
}

#[test]
fn ratios_are_to_the_median_of_rtpengine() {
    let args = arguments("");
    let costs: [(Subject, &[f64]); 2] = [
        (Subject::Sockets, &[4_000.0, 5_000.0, 9_000.0]),
        (Subject::Rtpengine, &[10_000.0, 8_000.0, 50_000.0]),
    ];
    let outcome = outcome(&args, &costs);

    let comparison = outcome.comparison(&args);

    assert_eq!(comparison.subjects, ["rtpengine", "agw sockets"]);
    let row = comparison.groups[0].rows.iter().find(|row| row.name == GROSS).unwrap();
    assert_eq!(row.values[0].unwrap().median, 10_000.0);
    assert_eq!(row.ratio(1), Some(0.5));
    let highest =
        comparison.groups.iter().find(|group| group.title.starts_with("Highest")).unwrap();
    assert_eq!(highest.rows[0].ratio(1), Some(2.0));
}

#[test]
fn whoever_is_left_out_is_told() {
    let outcome = outcome(&arguments(""), &[(Subject::Sockets, &[1.0])]);
    let troubles = outcome.troubles(&arguments(""));
    assert_eq!(troubles[0], "agw xdp: not measured, it needs --netns");
}

#[test]
fn packets_that_agw_loses_without_trace_are_a_failure_and_those_of_a_peer_a_remark() {
    let args = arguments("");
    for (subject, is_sound) in [(Subject::Rtpengine, true), (Subject::Sockets, false)] {
        let mut outcome = outcome(&args, &[(subject, &[1.0])]);
        outcome.skipped.clear();
        outcome.measurements[0].result.phases[0].ledger.gap = 3;
        assert_eq!(outcome.is_sound(), is_sound);
        let told = outcome.troubles(&args);
        assert_eq!(told.len(), 1);
        assert!(told[0].ends_with("3 packets unaccounted for"), "{}", told[0]);
    }
}

#[test]
fn the_markdown_names_machine_date_and_command() {
    let args = arguments("");
    let mut outcome = outcome(&args, &[(Subject::Rtpengine, &[1.0, 2.0])]);
    outcome.machine.cpu = "a processor".to_owned();
    outcome.command = vec!["agw-load".to_owned(), "peer".to_owned()];
    outcome.started_unix_s = 0;
    let text = markdown(&args, &outcome);
    let words =
        ["Medians of 2 rounds", "a processor", "1970-01-01", "`agw-load peer`", "rtpengine"];
    for word in words {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[test]
fn the_page_is_well_formed_and_fetches_nothing() {
    let args = arguments("--netns");
    let costs: [(Subject, &[f64]); 3] = [
        (Subject::Rtpengine, &[10_000.0, 11_000.0]),
        (Subject::Sockets, &[4_500.0, 4_600.0]),
        (Subject::XdpGathering, &[900.0, 950.0]),
    ];
    let page = page::page(&args, &outcome(&args, &costs));
    if let Some(directory) = std::env::var_os("AGW_LOAD_PAGES") {
        std::fs::write(Path::new(&directory).join("peer.html"), &page).unwrap();
    }
    check_nesting(&page);
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn an_outcome_is_read_back_as_it_was_written() {
    let outcome = outcome(&arguments(""), &[(Subject::Rtpengine, &[1.0])]);
    let text = serde_json::to_string(&outcome).unwrap();
    let read: Outcome = serde_json::from_str(&text).unwrap();
    assert_eq!(read.measurements.len(), outcome.measurements.len());
    assert_eq!(read.measurements[0].result, outcome.measurements[0].result);
}
