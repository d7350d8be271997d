//! The command line of `agwctl alg`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::spec::Precedence;

const HELP: &str = "\
A session description carries keys: they are masked in what is shown. The one to send on, with its
keys, goes where --out says, into a file that only this user reads, or with `-` to standard output
in place of all else.

  agwctl alg offer call-1 a --offerer access --offerer-protected --answerer core --sdp offer --out -
  agwctl alg answer call-1 a b --status 200 --sdp answer --out to-caller
  agwctl alg delete call-1";

/// About calls by their session descriptions.
#[derive(Debug, Subcommand)]
pub(crate) enum Alg {
    /// Hands an offer over: the gateway reserves what it needs, what comes back is sent on.
    Offer(Box<AlgOffer>),
    /// Hands the answer to an offer over: the gateway has its keys, what comes back is sent on.
    Answer(AlgAnswer),
    /// Says that an offer was rejected: what was before goes on.
    Reject(AlgDialogue),
    /// Ends a call, or a dialogue of it, and shows its last counters.
    Delete(AlgCall),
    /// Shows a call with its dialogues, streams and counters.
    Query(AlgCall),
    /// The names of all calls.
    List,
    /// What was agreed with a UE about its media when it registered.
    Registration {
        /// The UE, as the controller names it.
        ue: String,
    },
}

/// A dialogue.
#[derive(Debug, Args)]
pub(crate) struct AlgDialogue {
    /// The call's identifier, as the Call-ID.
    pub(crate) call_id: String,
    /// The tag of who sends the offer, or sent the one that is answered.
    pub(crate) from_tag: String,
    /// The other tag, as far as it is known.
    pub(crate) to_tag: Option<String>,
    /// What tells the branches of a fork apart before they have tags.
    #[arg(long, value_name = "BRANCH")]
    pub(crate) via_branch: Option<String>,
}

/// Calls, or a part of one.
#[derive(Debug, Args)]
pub(crate) struct AlgCall {
    /// The call's identifier.
    pub(crate) call_id: String,
    /// A tag of it; without one, every call with the identifier.
    pub(crate) from_tag: Option<String>,
    /// The other tag; without it, all dialogues.
    pub(crate) to_tag: Option<String>,
    /// The branch of a fork.
    #[arg(long, value_name = "BRANCH", requires = "from_tag")]
    pub(crate) via_branch: Option<String>,
}

/// Where descriptions come from and go.
#[derive(Debug, Args)]
pub(crate) struct AlgFiles {
    /// File with the session description; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) sdp: PathBuf,
    /// File for the description to send on, with its keys; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// An offer.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct AlgOffer {
    #[command(flatten)]
    pub(crate) dialogue: AlgDialogue,
    #[command(flatten)]
    pub(crate) files: AlgFiles,
    /// Where the offer comes from.
    #[arg(long, value_enum, value_name = "PLACE", help_heading = "Offerer")]
    pub(crate) offerer: AlgPlace,
    /// The gateway's realm there [default: the default realm].
    #[arg(long, value_name = "REALM", help_heading = "Offerer")]
    pub(crate) offerer_realm: Option<String>,
    /// The UE there, as it has registered.
    #[arg(long, value_name = "UE", help_heading = "Offerer")]
    pub(crate) offerer_ue: Option<String>,
    /// The signalling to it is protected: keys may be exchanged.
    #[arg(long, help_heading = "Offerer")]
    pub(crate) offerer_protected: bool,
    /// Where the offer goes to.
    #[arg(long, value_enum, value_name = "PLACE", help_heading = "Answerer")]
    pub(crate) answerer: AlgPlace,
    /// The gateway's realm there [default: the default realm].
    #[arg(long, value_name = "REALM", help_heading = "Answerer")]
    pub(crate) answerer_realm: Option<String>,
    /// The UE there, as it has registered.
    #[arg(long, value_name = "UE", help_heading = "Answerer")]
    pub(crate) answerer_ue: Option<String>,
    /// The signalling to it is protected: keys may be exchanged.
    #[arg(long, help_heading = "Answerer")]
    pub(crate) answerer_protected: bool,
    /// The answerer is offered fresh keys, though it has some.
    #[arg(long)]
    pub(crate) rekey: bool,
    /// How much of the gateway's room the call may use [default: normal].
    #[arg(long, value_enum, value_name = "PRIORITY")]
    pub(crate) priority: Option<Precedence>,
}

/// An answer.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct AlgAnswer {
    #[command(flatten)]
    pub(crate) dialogue: AlgDialogue,
    /// The status of the response that brings it: a 2xx makes the dialogue the call's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..700))]
    pub(crate) status: Option<u32>,
    #[command(flatten)]
    pub(crate) files: AlgFiles,
}

/// Where a side of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlgPlace {
    /// A UE: SRTP to the gateway.
    Access,
    /// The core network: RTP.
    Core,
}
