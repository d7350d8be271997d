//! `cargo xtask reference`: writes the API reference from the proto.

use std::process::Command;

use crate::process;
use crate::workspace::Workspace;

/// Writes `proto/REFERENCE.md`; a test of agw-iq does it, because it has the descriptors.
///
/// # Errors
///
/// When it cannot be built or written.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(workspace.root()).env("AGW_WRITE_REFERENCE", "1").args([
        "test",
        "--quiet",
        "-p",
        "agw-iq",
        "--test",
        "reference",
    ]);
    process::run(&mut command)
}
