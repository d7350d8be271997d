//! What a run found, for people and for programs: a summary on the terminal, JSON, and a page that
//! stands alone. Start at [`tell`]; `figures` lists what is told.

pub(crate) mod compare;
pub(crate) mod comparison;
pub(crate) mod comparison_page;
pub(crate) mod figures;
pub(crate) mod format;
pub(crate) mod html;
pub(crate) mod plots;
pub(crate) mod run_page;
mod summary;
mod svg;

use anyhow::Context;

use crate::cli::OutputArgs;
use crate::result::RunResult;

/// Prints the figures and writes the files that were asked for.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn tell(result: &RunResult, output: &OutputArgs) -> anyhow::Result<()> {
    println!("{}", summary::summary(result));
    if let Some(path) = &output.json {
        let text = serde_json::to_string_pretty(result)?;
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))?;
    }
    if let Some(path) = &output.html {
        let page = run_page::page(result);
        std::fs::write(path, page).with_context(|| format!("--html {}", path.display()))?;
    }
    Ok(())
}
