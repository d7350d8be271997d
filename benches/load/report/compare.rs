//! `agw-load compare`: runs that were written to files, side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::comparison::Comparison;
use super::figures::{label, window};
use super::format::{command, moment};
use super::html::Page;
use super::plots::{self, Search, Spread};
use super::{comparison_page, run_page};
use crate::cli::CompareArgs;
use crate::result::{FORMAT, RunResult};

/// The runs of one column.
struct Subject {
    name: String,
    runs: Vec<RunResult>,
}

/// Compares what the command line names.
///
/// # Errors
/// A file cannot be read, is no run, or is of another version; the page cannot be written.
pub(crate) fn run(arguments: &CompareArgs) -> anyhow::Result<()> {
    let mut subjects = Vec::new();
    for group in &arguments.runs {
        let files: Vec<PathBuf> = group.split(',').map(PathBuf::from).collect();
        let runs = files.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        let file = files.first().and_then(|file| file.file_stem()).unwrap_or_default();
        subjects.push(Subject { name: file.to_string_lossy().into_owned(), runs });
    }
    name(&mut subjects);
    println!("{}", compare(&subjects).table());
    if let Some(path) = &arguments.html {
        let page = page(&subjects);
        std::fs::write(path, page).with_context(|| format!("--html {}", path.display()))?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<RunResult> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let run: RunResult =
        serde_json::from_str(&text).with_context(|| format!("{}: no run", path.display()))?;
    if run.format != FORMAT {
        bail!("{}: format {}, but this agw-load reads {FORMAT}", path.display(), run.format);
    }
    Ok(run)
}

/// Names subjects after what was measured, unless two of them would then have one name.
fn name(subjects: &mut [Subject]) {
    let labels: Vec<String> = subjects
        .iter()
        .map(|subject| subject.runs.first().map(label).unwrap_or_default())
        .collect();
    let is_distinct = |name: &String| labels.iter().filter(|other| *other == name).count() == 1;
    if labels.iter().all(is_distinct) {
        for (subject, label) in subjects.iter_mut().zip(labels) {
            subject.name = label;
        }
    }
}

fn compare(subjects: &[Subject]) -> Comparison {
    let columns: Vec<_> = subjects
        .iter()
        .map(|subject| (subject.name.clone(), subject.runs.iter().collect()))
        .collect();
    Comparison::of_runs(&columns)
}

fn page(subjects: &[Subject]) -> String {
    let comparison = compare(subjects);
    let names = comparison.subjects.join(", ");
    let mut page = Page::new("Comparison of runs", &names);
    page.keys(&comparison.subjects);
    comparison_page::table(&mut page, &comparison);
    let firsts: Vec<(usize, &str, &RunResult)> = subjects
        .iter()
        .enumerate()
        .filter_map(|(style, subject)| Some((style, subject.name.as_str(), subject.runs.first()?)))
        .collect();
    let spreads: Vec<Spread<'_>> = firsts
        .iter()
        .filter_map(|&(style, name, run)| {
            window(run).map(|phase| Spread { name, style, times: &phase.latency })
        })
        .collect();
    if spreads.iter().any(|spread| spread.times.count > 0) {
        page.section("Latency");
        plots::latency(&mut page, &spreads, "The first run of each, both directions.");
    }
    if firsts.iter().any(|(_, _, run)| !run.series.is_empty()) {
        page.section("Load");
        let searches =
            firsts.iter().map(|&(style, name, run)| Search { name, style, points: &run.series });
        plots::loads(&mut page, &searches.collect::<Vec<_>>());
    }
    page.section("Runs");
    for subject in subjects {
        page.part(&subject.name);
        for run in &subject.runs {
            page.note(&format!("{} on {}", moment(run.started_unix_s), run.machine.host));
            page.verbatim(&command(&run.command));
        }
    }
    if let Some((_, _, run)) = firsts.first() {
        page.section("Machine");
        page.table(&[], &run_page::machine_rows(&run.machine));
    }
    page.finish()
}

#[cfg(test)]
mod tests;
