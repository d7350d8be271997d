//! The page of a peer comparison.

use super::outcome::{GROSS, Outcome};
use super::scenario::Scenario;
use crate::cli::PeerArgs;
use crate::report::comparison::Comparison;
use crate::report::figures::window;
use crate::report::format::{command, moment};
use crate::report::html::{Page, Tone};
use crate::report::plots::{self, Search, Spread};
use crate::report::{comparison_page, run_page};
use crate::result::Distribution;

/// Writes the page.
pub(super) fn page(args: &PeerArgs, outcome: &Outcome) -> String {
    let comparison = outcome.comparison(args);
    let rounds = outcome.measurements.iter().map(|one| one.round).max().unwrap_or_default();
    let network = if args.netns { "veth between network namespaces" } else { "loopback" };
    let subtitle = format!(
        "{} · {rounds} rounds in turns · {network} · {}",
        moment(outcome.started_unix_s),
        args.suite
    );
    let mut page = Page::new("Gateways side by side", &subtitle);
    remarks(&mut page, &outcome.troubles(args), &outcome.limits(args));
    page.keys(&comparison.subjects);
    costs(&mut page, &comparison);
    page.section("All figures");
    comparison_page::table(&mut page, &comparison);
    latency(&mut page, args, outcome);
    loads(&mut page, args, outcome);
    method(&mut page, args);
    commands(&mut page, outcome);
    let limits = outcome.limits(args);
    if !limits.is_empty() {
        page.section("Where the generator was the limit");
        page.verdict(Tone::Warn, "These figures say less than they seem to", &limits);
    }
    page.section("Machine and command");
    page.table(&[], &run_page::machine_rows(&outcome.machine));
    page.verbatim(&command(&outcome.command));
    page.finish()
}

fn remarks(page: &mut Page, troubles: &[String], limits: &[String]) {
    if troubles.is_empty() {
        page.verdict(Tone::Good, "Every packet of every measurement is accounted for", &[]);
    } else {
        page.verdict(Tone::Warn, "To be kept in mind", troubles);
    }
    if !limits.is_empty() {
        let title = "In some measurements the generator was the limit: listed below";
        page.verdict(Tone::Warn, title, &[]);
    }
}

/// The figure that matters most, at both loads, and how far each gets.
fn costs(page: &mut Page, comparison: &Comparison) {
    for (scenario, name) in [
        (Scenario::Saturation, GROSS),
        (Scenario::Light, GROSS),
        (Scenario::Highest, "packets a second"),
    ] {
        let group = comparison.groups.iter().find(|group| group.title == scenario.title());
        if let Some(row) = group.and_then(|group| group.rows.iter().find(|row| row.name == name)) {
            comparison_page::bars(page, comparison, row, &scenario.title());
        }
    }
}

fn latency(page: &mut Page, args: &PeerArgs, outcome: &Outcome) {
    for scenario in [Scenario::Half, Scenario::Light] {
        let found: Vec<(usize, String, &Distribution)> = outcome
            .subjects()
            .into_iter()
            .enumerate()
            .filter_map(|(style, subject)| {
                let run = outcome.of(subject, scenario).last()?;
                Some((style, subject.name(args), &window(run)?.latency))
            })
            .filter(|(_, _, times)| times.count > 0)
            .collect();
        if found.is_empty() {
            continue;
        }
        page.section(&format!("Latency: {}", scenario.title().to_lowercase()));
        let spreads =
            found.iter().map(|(style, name, times)| Spread { name, style: *style, times });
        plots::latency(
            page,
            &spreads.collect::<Vec<_>>(),
            "The last round of each, both directions.",
        );
    }
}

fn loads(page: &mut Page, args: &PeerArgs, outcome: &Outcome) {
    let found = outcome.subjects().into_iter().enumerate().filter_map(|(style, subject)| {
        let run = outcome.of(subject, Scenario::Highest).last()?;
        Some((style, subject.name(args), run.series.as_slice()))
    });
    let found: Vec<_> = found.collect();
    if !found.is_empty() {
        page.section("Load: the last search of each");
        page.keys(&names(args, outcome));
        let searches =
            found.iter().map(|(style, name, points)| Search { name, style: *style, points });
        plots::loads(page, &searches.collect::<Vec<_>>());
    }
}

fn names(args: &PeerArgs, outcome: &Outcome) -> Vec<String> {
    outcome.subjects().iter().map(|subject| subject.name(args)).collect()
}

fn method(page: &mut Page, args: &PeerArgs) {
    page.section("How it was measured");
    for text in [
        "Every gateway ran with one worker thread, alone on one core, with the generator on \
         another; same calls, same packets, same order of scenarios, the order of gateways another \
         in each round.",
        "Gross is all that a packet cost beyond the generator's own work: the gateway's threads and \
         what the kernel did for it and for the sink. Net leaves out what it did for the sink: \
         between namespaces by the kernel's threads of the interfaces, on the loopback by the soft \
         interrupts of the gateway's core.",
        "rtpengine ran in user space without its kernel module, with address learning, ICE and DTLS \
         off, RTCP multiplexed, and logs of warnings alone. The bare forwarder is agw's own socket \
         layer without any work on the packets, plain RTP on both sides.",
    ] {
        page.note(text);
    }
    page.note(&format!("Gathering waited for {} µs after the first packet.", args.coalesce_us));
}

fn commands(page: &mut Page, outcome: &Outcome) {
    page.section("Every measurement by itself");
    let lines: Vec<String> = outcome
        .measurements
        .iter()
        .filter(|one| one.round == 1)
        .map(|one| command(&one.command))
        .collect();
    page.verbatim(&lines.join("\n"));
}
