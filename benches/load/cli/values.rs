//! Values of options.

use agw_srtp::Suite;
use clap::ValueEnum;

/// The kind of gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetKind {
    /// agwd.
    Agw,
    /// rtpengine of Sipwise, in user space.
    Rtpengine,
    /// A bare forwarder: the floor.
    Forwarder,
}

/// How the gateway receives and sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// A UDP socket for each port.
    Sockets,
    /// `AF_XDP`; needs `--netns`.
    Xdp,
}

/// What a call carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Media {
    /// G.711, 20 ms.
    Voice,
    /// Payloads of 1,200 octets.
    Video,
}

/// How fast packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rate {
    /// Each call at its own pace.
    Paced,
    /// As fast as the gateway lets them, so many under way at a time.
    Max,
}

/// Address families of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyChoice {
    /// IPv4 on both sides.
    V4,
    /// IPv6 on both sides.
    V6,
    /// IPv6 on the access side, IPv4 on the core side.
    Mixed,
}

/// How the generator sends and receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generator {
    /// UDP sockets, in batches.
    Sockets,
    /// `AF_XDP`.
    Xdp,
}

/// A suite and how often it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SuiteShare {
    /// The suite; `None` for plain RTP on both sides.
    pub(crate) suite: Option<Suite>,
    /// Its weight among the others.
    pub(crate) weight: u32,
}

pub(super) fn suite_share(text: &str) -> Result<SuiteShare, String> {
    let (name, weight) = match text.split_once('=') {
        Some((name, weight)) => (name, weight.parse().map_err(|_| "the weight is no number")?),
        None => (text, 1),
    };
    if weight == 0 {
        return Err("the weight must be 1 or more".to_owned());
    }
    if name == "none" {
        return Ok(SuiteShare { suite: None, weight });
    }
    let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Suite::ALL.iter().map(|suite| suite.name()).collect();
        format!("there are: none, {}", names.join(", "))
    })?;
    Ok(SuiteShare { suite: Some(suite), weight })
}

pub(super) fn suite_name(text: &str) -> Result<String, String> {
    suite_share(text).map(|_| text.to_owned())
}

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "must be 1 or more".to_owned())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    let is_positive = |number: &f64| number.is_finite() && *number > 0.0;
    text.parse().ok().filter(is_positive).ok_or_else(|| "must be above 0".to_owned())
}

pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    let is_good = |number: &f64| number.is_finite() && *number >= 0.0;
    text.parse().ok().filter(is_good).ok_or_else(|| "must be 0 or more".to_owned())
}

impl Backend {
    /// Its name in the configuration of agwd.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sockets => "sockets",
            Self::Xdp => "xdp",
        }
    }
}
