//! What a run found, for people and for programs.

use anyhow::Context;

use crate::cli::OutputArgs;
use crate::result::RunResult;

/// Prints the figures and writes the files that were asked for.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn tell(result: &RunResult, output: &OutputArgs) -> anyhow::Result<()> {
    if let Some(path) = &output.json {
        let text = serde_json::to_string_pretty(result)?;
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))?;
    }
    Ok(())
}
