//! Peers and tools from the Python package index, in an environment of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::workspace::Workspace;
use crate::{process, sources};

/// The pinned packages, from the root of the workspace.
pub(crate) const REQUIREMENTS: &str = "tests/requirements.txt";

/// The copy of the requirements that the environment was made from; written last, so that an
/// environment half made is made again.
const STAMP: &str = "requirements.txt";

/// Whether the environment stands and was made from the requirements as they are now.
pub(crate) fn is_current(workspace: &Workspace) -> bool {
    is_made_from(&workspace.peers_environment(), &workspace.root().join(REQUIREMENTS))
}

/// Makes the environment, unless it is current.
///
/// # Errors
///
/// When there is no Python with `venv`, or a package cannot be installed.
pub(crate) fn install(workspace: &Workspace) -> anyhow::Result<()> {
    if is_current(workspace) {
        return Ok(());
    }
    let environment = workspace.peers_environment();
    let requirements = workspace.root().join(REQUIREMENTS);
    process::run(Command::new(system_python()).args(["-m", "venv", "--clear"]).arg(&environment))?;
    process::run(
        Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"])
            .arg("--requirement")
            .arg(&requirements),
    )?;
    fs::copy(&requirements, environment.join(STAMP))
        .with_context(|| format!("cannot write into {}", environment.display()))?;
    Ok(())
}

/// Debian's own Python, which python3-venv belongs to, else the first of the search path.
fn system_python() -> PathBuf {
    let debian = Path::new("/usr/bin/python3");
    if debian.is_file() { debian.to_path_buf() } else { PathBuf::from("python3") }
}

fn is_made_from(environment: &Path, requirements: &Path) -> bool {
    let made_from = sources::read(&environment.join(STAMP));
    let wanted = sources::read(requirements);
    environment.join("bin/python").is_file()
        && matches!((made_from, wanted), (Ok(made_from), Ok(wanted)) if made_from == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_made_again_when_a_version_changes() {
        let root = tempfile::tempdir().unwrap();
        let requirements = root.path().join("pinned.txt");
        let environment = root.path().join("venv");
        fs::create_dir_all(environment.join("bin")).unwrap();
        fs::write(environment.join("bin/python"), "").unwrap();
        fs::write(&requirements, "numpy==1\n").unwrap();

        assert!(!is_made_from(&environment, &requirements), "never finished");
        fs::copy(&requirements, environment.join(STAMP)).unwrap();
        assert!(is_made_from(&environment, &requirements));
        fs::write(&requirements, "numpy==2\n").unwrap();
        assert!(!is_made_from(&environment, &requirements));
    }
}
