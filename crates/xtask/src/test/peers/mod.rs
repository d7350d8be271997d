//! Other software that tests need: found, and installed where that is possible.

pub(crate) mod debian;
pub(crate) mod python;

use super::environment::Environment;
use super::summary::Verdict;
use crate::workspace::Workspace;

/// The peers that are missing, by name.
pub(crate) fn missing(workspace: &Workspace) -> Vec<String> {
    let mut missing: Vec<String> =
        debian::missing().into_iter().map(|package| package.name.to_owned()).collect();
    if !python::is_current(workspace) {
        missing.push(format!("the Python packages of {}", python::REQUIREMENTS));
    }
    missing
}

/// Installs what is missing, if that was asked for, and tells what is missing still.
pub(super) fn provide(environment: &Environment<'_>) -> Verdict {
    let workspace = environment.workspace;
    let mut reasons = Vec::new();
    if environment.install {
        reasons.extend(debian::install().err());
        reasons.extend(python::install(workspace).err());
    }
    let missing = missing(workspace);
    if missing.is_empty() {
        println!("every peer is installed");
        return Verdict::Passed;
    }
    let mut text = missing.join(", ");
    for reason in reasons {
        text.push_str(&format!(": {reason:#}"));
    }
    Verdict::Skipped(text)
}
