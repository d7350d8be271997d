//! The page of one run.

use super::figures::{FIGURES, label, window};
use super::format::{Unit, command, count, moment, number};
use super::html::{Cell, Page, Row, Tone};
use super::plots::{self, Search, Spread};
use crate::result::{ControlFigures, Ledger, Machine, Phase, ProcessUse, RunResult};

/// Writes the page.
pub(crate) fn page(run: &RunResult) -> String {
    let title = format!("{} under load", label(run));
    let mut page = Page::new(&title, &subtitle(run));
    verdict(&mut page, run);
    page.tiles(&tiles(run));
    loads(&mut page, run);
    latency(&mut page, run);
    if let Some(phase) = window(run) {
        processor(&mut page, phase);
        page.section(&format!("Where every packet went: {}", phase.name));
        ledger(&mut page, &phase.ledger);
        paths(&mut page, phase);
    }
    if let Some(control) = &run.control {
        control_plane(&mut page, control);
    }
    origin(&mut page, run);
    page.finish()
}

/// Where a run took place and how it was asked for.
pub(crate) fn origin(page: &mut Page, run: &RunResult) {
    page.section("Machine and command");
    page.table(&[], &machine_rows(&run.machine));
    page.verbatim(&command(&run.command));
    page.part("The target's settings");
    let settings = run.target.settings.iter();
    let rows = settings.map(|(name, value)| Row::Cells(vec![Cell::new(name), Cell::words(value)]));
    page.table(&[], &rows.collect::<Vec<_>>());
}

/// The machine, line by line.
pub(crate) fn machine_rows(machine: &Machine) -> Vec<Row> {
    let memory = format!("{} GB", number(machine.memory_octets as f64 / 1e9));
    let lines = [
        ("processor", machine.cpu.clone()),
        ("cores", machine.cores.to_string()),
        ("memory", memory),
        ("kernel", machine.kernel.clone()),
        ("host", machine.host.clone()),
    ];
    lines.map(|(name, value)| Row::Cells(vec![Cell::new(name), Cell::words(value)])).into()
}

fn subtitle(run: &RunResult) -> String {
    let plan = &run.plan;
    let suites: Vec<_> = plan.suites.keys().map(String::as_str).collect();
    format!(
        "{} {} · {} · {} calls of {} over {} ({}) · {}",
        run.target.name,
        run.target.version,
        moment(run.started_unix_s),
        count(plan.calls as u64),
        plan.media,
        plan.network,
        plan.family,
        suites.join(", "),
    )
}

fn verdict(page: &mut Page, run: &RunResult) {
    let troubles = run.troubles();
    if !troubles.is_empty() {
        page.verdict(Tone::Bad, "Something is wrong", &troubles);
    }
    let limited: Vec<String> =
        run.phases.iter().flat_map(|phase| &phase.limited_by_generator).cloned().collect();
    if !limited.is_empty() {
        page.verdict(Tone::Warn, "The generator was the limit, not the target", &limited);
    }
    let (loss, p99) = (run.plan.slo.max_loss_percent, run.plan.slo.max_added_p99_ms);
    let objective = format!("loss ≤ {} %, added latency at p99 ≤ {} ms", number(loss), number(p99));
    match window(run) {
        Some(phase) if phase.slo_kept && troubles.is_empty() => {
            page.verdict(
                Tone::Good,
                &format!("Every packet is accounted for; the objective was kept ({objective})"),
                &[],
            );
        }
        Some(phase) if !phase.slo_kept => {
            page.verdict(Tone::Warn, &format!("The objective was not kept ({objective})"), &[]);
        }
        Some(_) | None => {}
    }
}

fn tiles(run: &RunResult) -> Vec<(String, String)> {
    let tile = |figure: &super::figures::Figure| {
        Some((figure.unit.show((figure.read)(run)?), figure.name.to_owned()))
    };
    FIGURES.iter().filter_map(tile).collect()
}

fn loads(page: &mut Page, run: &RunResult) {
    if run.series.is_empty() {
        return;
    }
    page.section("Load");
    plots::loads(page, &[Search { name: &label(run), style: 0, points: &run.series }]);
    let head = [
        "packets a second",
        "calls",
        "loss",
        "added p99",
        "processor seconds a second",
        "time a packet",
        "objective",
    ];
    let mut points: Vec<_> = run.series.iter().collect();
    points.sort_by(|a, b| a.packets_per_second.total_cmp(&b.packets_per_second));
    let row = |point: &&crate::result::LoadPoint| {
        let (text, tone) =
            if point.slo_kept { ("kept", Tone::Good) } else { ("missed", Tone::Bad) };
        let limited = if point.limited_by_generator { " (generator)" } else { "" };
        Row::Cells(vec![
            Cell::new(number(point.packets_per_second)),
            Cell::new(count(point.calls as u64)),
            Cell::new(Unit::Percent.show(point.loss_percent)),
            Cell::new(Unit::Microseconds.show(point.added_p99_us)),
            Cell::new(number(point.gateway_cores)),
            Cell::new(Unit::Nanoseconds.show(point.cpu_seconds_per_million * 1_000.0)),
            Cell::new(format!("{text}{limited}")).tone(Some(tone)),
        ])
    };
    page.table(&head.map(str::to_owned), &points.iter().map(row).collect::<Vec<_>>());
}

fn latency(page: &mut Page, run: &RunResult) {
    let Some(phase) = window(run).filter(|phase| phase.latency.count > 0) else {
        return;
    };
    page.section("Latency");
    let mut spreads = vec![Spread { name: "through the gateway", style: 0, times: &phase.latency }];
    let mut names = vec!["through the gateway".to_owned()];
    if let Some(direct) = &phase.direct {
        spreads.push(Spread { name: "without a gateway", style: 1, times: direct });
        names.push("without a gateway".to_owned());
    }
    page.keys(&names);
    plots::latency(
        page,
        &spreads,
        "From the generator's send to the arrival at its sink, both directions.",
    );
    let head = ["", "packets", "least", "p50", "p90", "p99", "p99.9", "most"];
    let row = |spread: &Spread<'_>| {
        let times = spread.times;
        let values =
            [times.min_us, times.p50_us, times.p90_us, times.p99_us, times.p999_us, times.max_us];
        let mut cells = vec![Cell::new(spread.name), Cell::new(count(times.count))];
        cells.extend(values.map(|us| Cell::new(Unit::Microseconds.show(us))));
        Row::Cells(cells)
    };
    page.table(&head.map(str::to_owned), &spreads.iter().map(row).collect::<Vec<_>>());
}

fn processor(page: &mut Page, phase: &Phase) {
    page.section("Processor time");
    let head = ["thread", "user", "kernel", "both"].map(str::to_owned);
    let mut rows = Vec::new();
    for (name, process) in [("gateway", &phase.gateway), ("generator", &phase.generator)] {
        rows.push(Row::Section(name.to_owned()));
        rows.extend(thread_rows(process, phase.seconds));
    }
    page.table(&head, &rows);
    page.note("In percent of one core, over the measured window.");
    let head = ["core", "user", "kernel", "soft interrupts", "idle"].map(str::to_owned);
    let row = |core: &crate::result::CoreUse| {
        let seconds =
            [core.user_seconds, core.system_seconds, core.softirq_seconds, core.idle_seconds];
        let mut cells = vec![Cell::new(core.core.to_string())];
        cells.extend(seconds.map(|seconds| Cell::new(share(seconds, phase.seconds))));
        Row::Cells(cells)
    };
    page.table(&head, &phase.cores.iter().map(row).collect::<Vec<_>>());
    if !phase.softirq_source.is_empty() {
        page.note(&format!("What the kernel did for packets is told by {}.", phase.softirq_source));
    }
}

fn thread_rows(process: &ProcessUse, window: f64) -> Vec<Row> {
    let row = |name: &str, user: f64, system: f64| {
        let shares = [user, system, user + system].map(|seconds| Cell::new(share(seconds, window)));
        let mut cells = vec![Cell::new(name)];
        cells.extend(shares);
        cells
    };
    let mut rows: Vec<Row> = process
        .threads
        .iter()
        .map(|thread| Row::Cells(row(&thread.name, thread.user_seconds, thread.system_seconds)))
        .collect();
    let user = process.threads.iter().map(|thread| thread.user_seconds).sum();
    let system = process.threads.iter().map(|thread| thread.system_seconds).sum();
    rows.push(Row::Total(row("all", user, system)));
    rows
}

fn ledger(page: &mut Page, ledger: &Ledger) {
    let line = |what: &str, packets: u64| {
        let share = 100.0 * packets as f64 / ledger.sent.max(1) as f64;
        vec![Cell::new(what), Cell::new(count(packets)), Cell::new(format!("{} %", number(share)))]
    };
    let mut rows = vec![
        Row::Total(line("sent by the generator", ledger.sent)),
        Row::Cells(line("arrived at its sinks", ledger.delivered)),
    ];
    let parts = [
        ("dropped by the gateway: ", &ledger.gateway_drops),
        ("not sent by the gateway: ", &ledger.gateway_send_errors),
        ("dropped between: ", &ledger.network_drops),
    ];
    for (what, reasons) in parts {
        for (reason, packets) in reasons.iter().filter(|(_, packets)| **packets > 0) {
            rows.push(Row::Cells(line(&format!("{what}{reason}"), *packets)));
        }
    }
    let kernel = [
        ("dropped by the kernel before the gateway", ledger.gateway_kernel_drops),
        ("dropped by the kernel before the sink", ledger.sink_kernel_drops),
    ];
    rows.extend(kernel.map(|(what, packets)| Row::Cells(line(what, packets))));
    let tone = if ledger.gap == 0 { Tone::Good } else { Tone::Bad };
    let gap = Cell::new(number(ledger.gap as f64)).tone(Some(tone));
    rows.push(Row::Total(vec![Cell::new("unaccounted for"), gap, Cell::new("")]));
    page.table(&["", "packets", "of those sent"].map(str::to_owned), &rows);
}

fn paths(page: &mut Page, phase: &Phase) {
    let head = ["", "access to core", "core to access"].map(str::to_owned);
    let (up, down) = (&phase.up, &phase.down);
    let lines = [
        ("RTP sent", up.sent, down.sent),
        ("RTP delivered", up.delivered, down.delivered),
        ("lost", up.lost, down.lost),
        ("held on purpose", up.held, down.held),
        ("out of order", up.reordered, down.reordered),
        ("came twice", up.duplicated, down.duplicated),
        ("altered", up.corrupted, down.corrupted),
        ("sent by nobody", up.strangers, down.strangers),
        ("decrypted and compared", up.verified, down.verified),
        ("RTCP sent", up.rtcp_sent, down.rtcp_sent),
        ("RTCP delivered", up.rtcp_delivered, down.rtcp_delivered),
    ];
    let row = |(what, up, down)| {
        Row::Cells(vec![Cell::new(what), Cell::new(count(up)), Cell::new(count(down))])
    };
    page.part("By direction");
    page.table(&head, &lines.map(row));
}

fn control_plane(page: &mut Page, control: &ControlFigures) {
    page.section("Control plane");
    let head = ["", "calls", "p50", "p99", "p99.9", "most"].map(str::to_owned);
    let lines = [
        ("set up", control.set_up, &control.set_up_latency),
        ("released", control.released, &control.release_latency),
    ];
    let row = |(what, calls, times): (&str, u64, &crate::result::Distribution)| {
        let mut cells = vec![Cell::new(what), Cell::new(count(calls))];
        let values = [times.p50_us, times.p99_us, times.p999_us, times.max_us];
        cells.extend(values.map(|us| Cell::new(Unit::Microseconds.show(us))));
        Row::Cells(cells)
    };
    page.table(&head, &lines.map(row));
    let failures =
        control.failures.iter().map(|(reason, calls)| format!("{}: {reason}", count(*calls)));
    let failures: Vec<_> = failures.collect();
    if !failures.is_empty() {
        page.verdict(Tone::Bad, "Some requests failed", &failures);
    }
    page.note(&format!(
        "{} requests outstanding at a time, {} calls set up a second.",
        count(control.outstanding as u64),
        number(control.set_up_per_second)
    ));
}

fn share(seconds: f64, window: f64) -> String {
    format!("{} %", number(100.0 * seconds / window.max(1e-9)))
}
