use super::super::html::check_nesting;
use super::super::run_page;
use super::*;
use crate::result::{
    Bucket, ControlFigures, CoreUse, Distribution, Ledger, LoadPoint, PathFigures, Phase, ThreadUse,
};

/// A run in which every figure is in proportion to `scale`.
fn made_up(name: &str, scale: f64) -> RunResult {
    let buckets = (0..60).map(|step| {
        let count = (1e6 * 0.75_f64.powi(step)) as u64;
        Bucket { to_us: scale * 12.0 * 1.12_f64.powi(step), count: count.max(1) }
    });
    let buckets: Vec<Bucket> = buckets.collect();
    let latency = Distribution {
        count: buckets.iter().map(|bucket| bucket.count).sum(),
        min_us: scale * 8.0,
        mean_us: scale * 20.0,
        p50_us: scale * 16.0,
        p90_us: scale * 30.0,
        p99_us: scale * 80.0,
        p999_us: scale * 190.0,
        max_us: scale * 9_700.0,
        buckets,
    };
    let mut run = empty(name);
    run.phases = vec![window_of(latency, scale)];
    run.series = (1..=10).map(|step| point(step, scale)).collect();
    run.highest = Some(point(8, scale));
    let set_up_per_second = 8_000.0 / scale;
    run.control = Some(ControlFigures { set_up_per_second, ..ControlFigures::default() });
    run
}

fn window_of(latency: Distribution, scale: f64) -> Phase {
    let path =
        PathFigures { sent: 1_000_000, delivered: 999_995, lost: 5, ..PathFigures::default() };
    let mut ledger = Ledger {
        sent: 2_000_000,
        delivered: 1_999_990,
        gateway_drops: [("replay <&> \"quoted\"".to_owned(), 10)].into(),
        ..Ledger::default()
    };
    ledger.close();
    let thread = |name: &str, seconds: f64| ThreadUse {
        name: name.to_owned(),
        user_seconds: seconds,
        system_seconds: 2.0 * seconds,
    };
    let mut phase = Phase {
        name: "media".to_owned(),
        seconds: 10.0,
        up: path.clone(),
        down: path,
        direct: Some(latency.clone()),
        latency,
        added_p99_us: scale * 70.0,
        added_p999_us: scale * 180.0,
        cpu_seconds_per_million: scale * 5.0,
        cpu_with_softirq_per_million: scale * 6.0,
        ledger,
        slo_kept: true,
        cores: vec![CoreUse { core: 1, user_seconds: 2.0, ..CoreUse::default() }],
        ..Phase::default()
    };
    phase.gateway.threads = vec![thread("agw-worker-0", 1.5), thread("agwd", 0.1)];
    phase.gateway.octets_per_call = scale * 5_000.0;
    phase
}

fn point(step: u32, scale: f64) -> LoadPoint {
    LoadPoint {
        calls: 100 * step as usize,
        packets_per_second: 10_000.0 * f64::from(step) / scale,
        loss_percent: if step > 8 { f64::from(step - 8) * 0.8 } else { 0.0 },
        added_p99_us: scale * f64::from(step * step) * 40.0,
        gateway_cores: f64::from(step) * 0.11,
        cpu_seconds_per_million: scale * 5.0,
        slo_kept: step <= 8,
        limited_by_generator: step == 10,
    }
}

fn empty(name: &str) -> RunResult {
    let mut run = RunResult {
        format: FORMAT,
        started_unix_s: 1_795_273_917,
        command: vec!["agw-load".to_owned(), "run <&>".to_owned()],
        machine: crate::result::Machine { cpu: "a processor".to_owned(), ..Default::default() },
        target: crate::result::TargetInfo { name: name.to_owned(), ..Default::default() },
        plan: crate::result::Plan::default(),
        phases: Vec::new(),
        series: Vec::new(),
        highest: None,
        control: None,
    };
    run.target.settings.insert("backend".to_owned(), "sockets".to_owned());
    run
}

fn subject(name: &str, scales: &[f64]) -> Subject {
    let runs = scales.iter().map(|scale| made_up(name, *scale)).collect();
    Subject { name: name.to_owned(), runs }
}

#[test]
fn ratios_are_those_of_the_medians_and_more_is_not_always_worse() {
    let subjects = [subject("first", &[1.0, 9.0, 2.0]), subject("second", &[1.0, 0.5])];
    let comparison = compare(&subjects);
    let row = |name: &str| comparison.groups[0].rows.iter().find(|row| row.name == name).unwrap();

    let cost = row("processor time of the gateway a packet");
    let first = cost.values[0].unwrap();
    assert_eq!(
        (first.median, first.least, first.most, first.rounds),
        (10_000.0, 5_000.0, 45_000.0, 3)
    );
    assert_eq!(cost.values[1].unwrap().median, 3_750.0, "the median of two is between them");
    assert_eq!(cost.ratio(0), None);
    assert_eq!(cost.ratio(1), Some(0.375));
    assert_eq!(cost.judge(0.375), Some(true));
    assert_eq!(comparison.cell(cost, 1), "3,750 ns (0.38×)");

    let speed = row("calls set up");
    assert_eq!(speed.ratio(1), Some(3.0));
    assert_eq!(
        (speed.judge(3.0), speed.judge(0.5), speed.judge(1.01)),
        (Some(true), Some(false), None)
    );
}

#[test]
fn what_was_not_measured_has_no_ratio_and_no_row_if_nobody_has_it() {
    let subjects =
        [subject("first", &[1.0]), Subject { name: "second".to_owned(), runs: vec![empty("x")] }];
    let comparison = compare(&subjects);
    let row = &comparison.groups[0].rows[0];
    assert_eq!((row.ratio(1), comparison.cell(row, 1).as_str()), (None, "–"));
    let nothing = compare(&[Subject { name: "x".to_owned(), runs: vec![empty("x")] }]);
    assert!(nothing.groups[0].rows.is_empty());
}

#[test]
fn columns_are_named_after_targets_unless_these_are_the_same() {
    let mut subjects = [subject("agw", &[1.0]), subject("rtpengine", &[1.0])];
    name(&mut subjects);
    assert_eq!(subjects[0].name, "agw sockets");
    let mut subjects = [subject("agw", &[1.0]), subject("agw", &[1.0])];
    subjects[0].name = "before".to_owned();
    name(&mut subjects);
    assert_eq!(subjects[0].name, "before");
}

#[test]
fn the_table_in_markdown_has_a_cell_for_every_subject() {
    let comparison = compare(&[subject("first", &[1.0]), subject("second", &[2.0])]);
    for line in comparison.markdown().lines() {
        assert_eq!(line.matches('|').count(), 4, "{line}");
    }
}

#[test]
fn pages_are_well_formed_and_fetch_nothing() {
    let subjects = [subject("first <1>", &[1.0, 1.1]), subject("second", &[0.3])];
    let alone = run_page::page(&made_up("agw", 1.0));
    let bare = run_page::page(&empty("agw"));
    for (name, page) in [("compare", page(&subjects)), ("run", alone), ("bare", bare)] {
        if let Some(directory) = std::env::var_os("AGW_LOAD_PAGES") {
            std::fs::write(Path::new(&directory).join(format!("{name}.html")), &page).unwrap();
        }
        check_nesting(&page);
        for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
            assert!(!page.contains(outside), "{name} has {outside}");
        }
        assert!(page.contains("agw-load 'run &lt;&amp;&gt;'"), "what is typed is escaped");
    }
}
