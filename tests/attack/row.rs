//! Rows of the table of threats, told to the test command.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::thread;

use agw_tests::stage::{self, Backend};

/// A row that is being tried; told when dropped: withstood, unless the test panics.
pub(crate) struct Row {
    id: &'static str,
    threat: &'static str,
    tried: u64,
}

impl Row {
    /// A threat by its number.
    pub(crate) const fn new(id: &'static str, threat: &'static str) -> Self {
        Self { id, threat, tried: 0 }
    }

    /// Counts packets or attempts of the attackers.
    pub(crate) fn tried(&mut self, more: u64) {
        self.tried += more;
    }

    /// Tells that there is nothing that could be attacked so.
    pub(crate) fn does_not_apply(self, why: &str) {
        tell(self.id, self.threat, 0, &format!("not applicable: {why}"));
        std::mem::forget(self);
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        let outcome = if thread::panicking() { "NOT WITHSTOOD" } else { "withstood" };
        tell(self.id, self.threat, self.tried, outcome);
    }
}

/// Appends a line to the file that `AGW_ATTACK_FILE` names; see `xtask/src/test/attacks.rs`.
fn tell(id: &str, threat: &str, tried: u64, outcome: &str) {
    let backend = match stage::backend() {
        Backend::Sockets => "sockets",
        Backend::Xdp => "xdp",
    };
    let line = format!("{id}\t{threat}\t{backend}\t{tried}\t{outcome}\n");
    print!("{line}");
    let Some(file) = env::var_os("AGW_ATTACK_FILE") else { return };
    let told = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    if let Err(error) = told {
        println!("the row is not told: {error}");
    }
}
