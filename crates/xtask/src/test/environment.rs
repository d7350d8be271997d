//! What steps find around them: the workspace, tools, peers, and how tests are told of these.

use std::path::PathBuf;
use std::process::Command;

use super::peers;
use crate::process;
use crate::workspace::Workspace;

/// The surroundings of a run.
#[derive(Debug)]
pub(super) struct Environment<'a> {
    /// The workspace.
    pub(super) workspace: &'a Workspace,
    /// Whether missing peers may be installed.
    pub(super) install: bool,
}

impl<'a> Environment<'a> {
    pub(super) fn new(workspace: &'a Workspace, install: bool) -> Self {
        Self { workspace, install }
    }

    /// A program by its name: the pinned one of the peers' environment, else the machine's.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let pinned = self.workspace.peers_environment().join("bin").join(name);
        if pinned.is_file() { Some(pinned) } else { process::find_program(name) }
    }

    /// `cargo` with these arguments, in the root of the workspace.
    ///
    /// The peers' environment stands last in the search path, so that `cargo nextest` and what
    /// tests call by name (`buf`, `hadolint`) are found there when the machine has none.
    pub(super) fn cargo(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new("cargo");
        let path = process::path_with(&self.workspace.peers_environment().join("bin"))?;
        command.current_dir(self.workspace.root()).env("PATH", path).args(arguments);
        Ok(command)
    }

    /// Tells a test runner's tests which peers they have:
    ///
    /// - `AGW_PEERS_PYTHON`: the Python that has the pinned packages, if there is one;
    /// - `AGW_REQUIRE_PEERS=1`: every peer is installed, so a test that misses one must fail;
    /// - `AGW_SKIP_FILE`: where a test that skips writes `peer<TAB>test`;
    /// - `AGW_ATTACK_FILE`: where a test of an attack writes its row of the table of threats.
    pub(super) fn describe_peers(&self, command: &mut Command) {
        let python = self.workspace.peers_environment().join("bin/python");
        if python.is_file() {
            command.env("AGW_PEERS_PYTHON", python);
        }
        if peers::missing(self.workspace).is_empty() {
            command.env("AGW_REQUIRE_PEERS", "1");
        }
        command.env("AGW_SKIP_FILE", self.skip_file());
        command.env("AGW_ATTACK_FILE", self.attack_file());
    }

    /// The file of the rows of threats.
    pub(super) fn attack_file(&self) -> PathBuf {
        self.workspace.target().join("agw-attacks.tsv")
    }

    /// The file of the tests that skipped.
    pub(super) fn skip_file(&self) -> PathBuf {
        self.workspace.target().join("agw-skips.tsv")
    }
}
