//! `cargo xtask arrows`: who may depend on whom, and what every crate promises.
//!
//! The table of arrows is `crates/README.md` in code; a new arrow is a review decision.

mod manifest;
mod promises;
mod table;

use std::path::Path;

use anyhow::bail;
use cargo_metadata::{DependencyKind, Package, TargetKind};

use crate::sources;
use crate::workspace::Workspace;

/// Checks arrows, `forbid(unsafe_code)`, the bans of the sans-IO crates and the one version table.
///
/// # Errors
///
/// When anything is not as it must be; everything found is named.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let packages = workspace.packages();
    let mut complaints = Vec::new();
    for package in &packages {
        complaints.extend(table::check(&package.name, &normal_dependencies(package)));
        complaints.extend(check_files(workspace.root(), package)?);
    }
    if !complaints.is_empty() {
        bail!("{} complaints:\n  {}", complaints.len(), complaints.join("\n  "));
    }
    println!("{} packages: arrows, unsafe, bans and versions are as agreed", packages.len());
    Ok(())
}

/// The packages of ours that a package is built on; what only its tests use does not count.
fn normal_dependencies(package: &Package) -> Vec<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.path.is_some())
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.clone())
        .collect()
}

fn check_files(root: &Path, package: &Package) -> anyhow::Result<Vec<String>> {
    let name = package.name.as_str();
    let manifest = package.manifest_path.as_std_path();
    let mut complaints = manifest::check(name, &sources::read(manifest)?);
    for target in &package.targets {
        if target.kind.iter().any(|kind| matches!(kind, TargetKind::Lib | TargetKind::Bin)) {
            let file = target.src_path.as_std_path();
            complaints.extend(promises::check_root(name, file, &sources::read(file)?));
        }
    }
    let folder = manifest.parent().unwrap_or(root);
    if name == promises::ONE_FOREIGN_FILE {
        let files = sources::rust_files_under(folder)?;
        complaints.extend(promises::check_foreign_files(&files));
    }
    if promises::SANS_IO.contains(&name) {
        let bans = sources::read(&folder.join("clippy.toml")).unwrap_or_default();
        let thresholds = sources::read(&root.join("clippy.toml"))?;
        complaints.extend(promises::check_bans(name, &bans, &thresholds));
    }
    Ok(complaints)
}
