//! The command line of `agwd`.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, ConfigError, Host, RealmBackend, Sources};
use crate::daemon::StartError;
use crate::demo;
use crate::exit::Exit;
use crate::logging::{LogFilter, last_words};
use crate::service::Service;
use crate::tls::Certificates;
use crate::xdp::Carriers;

const EXIT_CODES: &str = "\
Exit codes:
  0   ended as asked
  64  wrong command line or configuration
  69  an address or socket is in use
  70  internal error
  71  the operating system refused something
  77  permission denied

Environment:
  AGWD__SECTION__KEY  sets a configuration key, as AGWD__IQ__LISTEN sets iq.listen

Signals:
  SIGTERM, SIGINT  no new contexts, end when there are none or after drain.timeout_s; twice: at once
  SIGHUP           re-read certificates, limits, policy, supervision and log.filter; the log
                   tells what changed and what takes a restart";

/// The media plane of an IMS access gateway: SRTP on one side, RTP on the other.
#[derive(Debug, Parser)]
#[command(name = "agwd", version, after_long_help = EXIT_CODES, args_conflicts_with_subcommands = false)]
struct Arguments {
    /// Configuration file (TOML); without one, the built-in defaults.
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Sets a configuration key, as iq.listen=127.0.0.1:0; beats environment and file.
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting, global = true)]
    set: Vec<(String, String)>,
    /// Writes the addresses in use to this file, in JSON, once ready; removed at the end.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Checks configuration and certificates and ends.
    #[arg(long)]
    check_config: bool,
    /// Prints the configuration in force, in TOML, and ends.
    #[arg(long)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the gateway, plays one secured call through it and shows what came out.
    Demo(demo::Args),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for; standard output that is closed is nobody's fault.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Success }.into();
        }
    };
    let sources = Sources {
        file: arguments.config.clone(),
        environment: environment(),
        settings: arguments.set.clone(),
    };
    match Config::load(&sources) {
        Ok(config) => carry_out(arguments, config, sources),
        Err(error) => fail(exit_of(&error), &error),
    }
}

fn carry_out(arguments: Arguments, config: Config, sources: Sources) -> ExitCode {
    if arguments.check_config {
        return match config
            .iq
            .tls
            .clone()
            .map(|files| Certificates::load(files, config.iq.roles.clone()))
            .transpose()
        {
            Ok(_) => Exit::Success.into(),
            Err(error) => fail(Exit::Usage, &format_args!("iq.tls: {error}")),
        };
    }
    if arguments.print_config {
        return match config.to_toml() {
            Ok(text) => {
                print!("{text}");
                Exit::Success.into()
            }
            Err(error) => fail(Exit::Software, &error),
        };
    }
    if let Err(error) = harden() {
        return fail(Exit::System, &error);
    }
    match arguments.command {
        Some(Command::Demo(args)) => demo(args, config, &sources),
        None => serve(arguments.ready_file, config, sources),
    }
}

fn serve(ready_file: Option<PathBuf>, config: Config, sources: Sources) -> ExitCode {
    let log_filter = match LogFilter::install(&config.log) {
        Ok(filter) => filter,
        Err(error) => return fail(Exit::Software, &error),
    };
    // Before there are other threads, which keep the capabilities that they were started with.
    let carriers = match open_and_give_up_privileges(&config) {
        Ok(carriers) => carriers,
        Err(error) => return fail(error.exit(), &error),
    };
    let runtime = match runtime(&config) {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::of(&error), &error),
    };
    let service = Service { config, sources, ready_file, log_filter };
    let ended = runtime.block_on(service.run(carriers));
    last_words();
    match ended {
        Ok(()) => Exit::Success.into(),
        Err(error) => fail(error.exit(), &error),
    }
}

/// What the `xdp` backend takes, and then no capability is left but with the thread that has the
/// kernel ask for neighbours. Without that backend nothing changes: there is nothing to take.
fn open_and_give_up_privileges(config: &Config) -> Result<Carriers, StartError> {
    let carriers = Carriers::open(config, &Host::this())?;
    if config.realm.iter().any(|realm| realm.backend == RealmBackend::Xdp) {
        let system = |source| StartError::System { what: "giving up capabilities", source };
        agw_net::keep_capabilities(&[]).map_err(system)?;
    }
    Ok(carriers)
}

/// The demo's own lines matter more than the log, unless somebody asks for the log.
fn demo(args: demo::Args, config: Config, sources: &Sources) -> ExitCode {
    let mut log = config.log.clone();
    if *sources == Sources::default() || log == Config::default().log {
        "warn".clone_into(&mut log.filter);
    }
    if let Err(error) = LogFilter::install(&log) {
        return fail(Exit::Software, &error);
    }
    match runtime(&config) {
        Ok(runtime) => runtime.block_on(demo::run(args, config)),
        Err(error) => fail(Exit::of(&error), &error),
    }
}

/// Keys must not end in a core dump, nor this process gain privileges.
fn harden() -> std::io::Result<()> {
    agw_net::disable_core_dumps()?;
    agw_net::no_new_privs()
}

fn runtime(config: &Config) -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(config.control.threads)
        .thread_name("agw-control")
        .enable_all()
        .build()
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What is not UTF-8 cannot be a value of ours.
fn environment() -> Vec<(String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn exit_of(error: &ConfigError) -> Exit {
    match error {
        ConfigError::Read { source, .. }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Exit::Permission
        }
        ConfigError::Read { .. }
        | ConfigError::File { .. }
        | ConfigError::Override { .. }
        | ConfigError::Invalid(_) => Exit::Usage,
    }
}

fn fail(exit: Exit, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("agwd: {error}");
    exit.into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_setting_is_split_at_its_first_equals_sign() {
        let realm = r#"realm=[{ name = "a" }]"#;
        assert_eq!(setting(realm), Ok(("realm".to_owned(), r#"[{ name = "a" }]"#.to_owned())));
        assert!(setting("iq.listen").is_err());
    }
}
