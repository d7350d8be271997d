//! The `agwd` binary; everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    agwd::cli::main()
}
