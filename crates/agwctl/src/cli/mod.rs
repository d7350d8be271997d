//! The command line.

mod alg;
mod call;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use alg::{Alg, AlgAnswer, AlgCall, AlgDialogue, AlgOffer, AlgPlace};
pub(crate) use call::AddCall;

const HELP: &str = "\
Exit codes:
  0  done
  1  the gateway refused: change the request
  2  the command line, a file or a certificate is wrong
  3  no gateway there, or no answer in time
  4  no such context, call or UE, or another controller's
  5  the gateway is full, draining or stopping: try another one
  6  the events asked for are not kept any more
  7  this machine refused something, as a full disk
  8  the lists that were compared differ

Errors are one line: agwctl: WHAT: FIELD: RULE [REASON, H.248 CODE]; the reasons are listed in
proto/agw/iq/v1/iq_service.proto, and of `alg` in proto/agw/alg/v1/alg_service.proto.

JSON is stable: fields are added, never changed or removed; what does not apply is null; keys are
in no output. `agwctl json` describes it.

Colours are off when the output is no terminal or NO_COLOR is set.";

/// Tells what an agw gateway does, and changes it.
#[derive(Debug, Parser)]
#[command(name = "agwctl", version, after_long_help = HELP)]
pub(crate) struct Cli {
    /// How answers are shown.
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT", env = "AGWCTL_OUTPUT")]
    pub(crate) output: Format,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the gateway is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Reach {
    /// The gateway's API: http://HOST:PORT, https://HOST:PORT or unix:/PATH.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "AGWCTL_ENDPOINT",
        default_value = "http://127.0.0.1:7400",
        value_parser = endpoint
    )]
    pub(crate) endpoint: String,
    /// PEM file with the authority that signed the gateway's certificate; for https.
    #[arg(long, global = true, value_name = "FILE", env = "AGWCTL_CA", requires_all = ["cert", "key"])]
    pub(crate) ca: Option<PathBuf>,
    /// PEM file with this controller's certificate and its chain, which names one URI or one DNS
    /// name; for https.
    #[arg(long, global = true, value_name = "FILE", env = "AGWCTL_CERT", requires_all = ["ca", "key"])]
    pub(crate) cert: Option<PathBuf>,
    /// PEM file with the key of that certificate; for https. (Nothing to do with SRTP keys.)
    #[arg(long, global = true, value_name = "FILE", env = "AGWCTL_KEY", requires_all = ["ca", "cert"])]
    pub(crate) key: Option<PathBuf>,
    /// The name in the gateway's certificate, if it is not the host of the endpoint.
    #[arg(long, global = true, value_name = "NAME", env = "AGWCTL_SERVER_NAME")]
    pub(crate) server_name: Option<String>,
    /// The number of this controller's present instance: the gateway refuses changes of instances
    /// with lower ones.
    #[arg(long, global = true, value_name = "N", env = "AGWCTL_CONTROLLER_EPOCH")]
    pub(crate) controller_epoch: Option<u64>,
    /// How long the gateway may take for an answer, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10))]
    pub(crate) timeout: u64,
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables, for people.
    Table,
    /// JSON, for programs.
    Json,
}

/// What is asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Version, age, load and counters of the gateway.
    Status,
    /// Contexts: the calls that the gateway holds.
    #[command(subcommand)]
    Contexts(Contexts),
    /// Sets up a call by hand.
    #[command(subcommand)]
    Call(Call),
    /// Calls by their session descriptions, as a SIP server has them set up.
    #[command(subcommand)]
    Alg(Alg),
    /// Counters of the gateway, or of the streams of one context.
    Stats(Stats),
    /// Why a call is silent: looks at gates, keys, addresses, drops and the peers' reports of every
    /// leg, and says what is wrong and what it mostly means.
    Why {
        /// The context's number, or the correlation id.
        call: String,
    },
    /// What happened: contexts, learnt addresses, keys.
    Events(Events),
    /// Suites, realms and limits of the gateway.
    Capabilities,
    /// Takes the gateway out of service and back.
    #[command(subcommand)]
    Service(Service),
    /// As `service drain`.
    Drain,
    /// Describes the JSON of every command.
    Json,
    /// Writes the completions of a shell to standard output.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Writes the manual page to standard output, or all pages to a directory.
    Man {
        /// Where agwctl.1, agwctl-status.1 and so on go.
        directory: Option<PathBuf>,
    },
}

/// About contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum Contexts {
    /// All contexts, in order of their numbers.
    List {
        /// Only those with this correlation id.
        #[arg(long, value_name = "ID")]
        correlation: Option<String>,
        /// Only those without a controller.
        #[arg(long)]
        orphans: bool,
    },
    /// Takes over contexts that have lost their controller.
    Adopt {
        /// The contexts.
        #[arg(required_unless_present = "of", conflicts_with = "of")]
        ids: Vec<u32>,
        /// All that this controller has left behind.
        #[arg(long, value_name = "CONTROLLER")]
        of: Option<String>,
    },
    /// One context with its streams, addresses, key state and counters; never keys.
    Show {
        /// The context.
        id: u32,
    },
    /// Compares a list of contexts with those of the gateway and shows what only one of both knows;
    /// ends with 8 if there is anything. Each line of the file is a context id and, after a blank,
    /// its correlation id if it has one.
    Diff {
        /// The list; `-` is standard input.
        file: PathBuf,
    },
    /// Releases a context: its ports are closed, its keys wiped. Shows its last counters.
    Rm {
        /// The context.
        id: u32,
        /// Only if it is still at this generation, as `contexts show` tells it.
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        generation: u64,
        /// This stream of its terminations alone; the call goes on with the others.
        #[arg(long, value_name = "N")]
        stream: Option<u32>,
    },
}

/// In service, and out of it.
#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// No new contexts; those that exist go on until they are released.
    Drain(Reason),
    /// No new contexts, and those that exist are released at once.
    Lock(Reason),
    /// Back in service.
    Restore(Reason),
}

/// Why.
#[derive(Debug, Args)]
pub(crate) struct Reason {
    /// For the log and the event: at most 128 characters.
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    pub(crate) reason: String,
}

/// About calls.
#[derive(Debug, Subcommand)]
pub(crate) enum Call {
    /// Adds a call: a context with an access leg and a core leg, in one transaction.
    Add(Box<AddCall>),
}

/// About counters.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// The context; without it, all workers of the gateway.
    pub(crate) id: Option<u32>,
    /// Shows them again and again, with rates.
    #[arg(long, short)]
    pub(crate) watch: bool,
    /// Seconds from one time to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3_600), requires = "watch")]
    pub(crate) interval: u64,
    /// Ends after so many times; without it, at Ctrl-C.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "watch")]
    pub(crate) count: Option<u64>,
}

/// About events.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Goes on with new events as they happen; without --after, with new ones only.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only events with higher numbers; 0 is all that are kept.
    #[arg(long, value_name = "N")]
    pub(crate) after: Option<u64>,
    /// The gateway's life in which that number was seen (restart_epoch); another life now is an
    /// error.
    #[arg(long, value_name = "EPOCH", requires = "after", default_value_t = 0)]
    pub(crate) epoch: u64,
}

fn endpoint(text: &str) -> Result<String, &'static str> {
    let known = ["http://", "https://", "unix:"].iter().any(|scheme| text.starts_with(scheme));
    if known {
        Ok(text.to_owned())
    } else {
        Err("http://HOST:PORT, https://HOST:PORT or unix:/PATH")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in [
            "agwctl -o json --endpoint unix:/run/iq.sock status",
            "agwctl status --output json --endpoint unix:/run/iq.sock",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.output, Format::Json, "{line}");
            assert_eq!(cli.reach.endpoint, "unix:/run/iq.sock", "{line}");
        }
    }

    #[test]
    fn an_endpoint_is_http_https_or_a_unix_socket() {
        assert!(parse("agwctl --endpoint ftp://a status").is_err());
        assert!(parse("agwctl --endpoint 127.0.0.1:7400 status").is_err());
    }

    #[test]
    fn certificates_come_all_or_none() {
        assert!(parse("agwctl --ca a.pem --cert b.pem --key c.pem status").is_ok());
        for line in ["agwctl --ca a.pem status", "agwctl --cert b.pem --key c.pem status"] {
            let error = parse(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn what_belongs_to_watching_needs_watching() {
        assert!(parse("agwctl stats 7 --watch --interval 2 --count 3").is_ok());
        assert!(parse("agwctl stats --count 3").is_err());
        assert!(parse("agwctl stats --watch --interval 0").is_err());
    }

    #[test]
    fn the_help_lists_every_exit_code_and_both_keys_by_name() {
        let mut command = Cli::command();
        let help = command.render_long_help().to_string();
        for code in 0..=8 {
            assert!(help.contains(&format!("\n  {code}  ")), "{code}");
        }
        let add = command
            .find_subcommand_mut("call")
            .and_then(|call| call.find_subcommand_mut("add"))
            .map(|add| add.render_long_help().to_string())
            .unwrap();
        for key in ["K11", "K22", "K12", "K21", "K1 ", "K2 "] {
            assert!(add.contains(key), "{key}");
        }
    }
}
