//! Completions and manual pages, from the command line's own description.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::print;

/// The completions of a shell.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "agwctl", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// The manual: its main page to standard output, or every page to a directory.
pub(crate) fn manual(directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|error| Failure::local("man", &error))?;
        return print(&String::from_utf8_lossy(&page));
    };
    clap_mangen::generate_to(Cli::command(), directory)
        .map_err(|error| Failure::local(format!("man: {}", directory.display()), &error))
}
