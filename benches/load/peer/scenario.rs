//! What is measured of every subject, as command lines of this program: whoever doubts a figure
//! can run the line by itself.

use serde::{Deserialize, Serialize};

use super::subject::Subject;
use crate::cli::PeerArgs;
use crate::report::format::count;

/// Packets a second of the light load, both directions.
pub(crate) const LIGHT_PACKETS: usize = 25_000;
/// Packets a second of a voice call, both directions.
const VOICE_PACKETS: usize = 100;
/// Calls at full speed: so many that a packet finds its call's state out of the nearest cache.
pub(crate) const SATURATION_CALLS: usize = 1_000;
/// Packets under way at full speed: the gateway is never idle, and no queue overflows.
const SATURATION_WINDOW: usize = 256;
/// Where the search for the highest load begins.
const FIRST_CALLS: usize = 500;
/// The most calls that the search tries.
const MOST_CALLS: usize = 10_000;

/// One kind of measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// As fast as it goes.
    Saturation,
    /// Far from any limit.
    Light,
    /// The highest load within the objective.
    Highest,
    /// Half of that load.
    Half,
    /// Calls set up and released, without media.
    Calls,
}

impl Scenario {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 5] =
        [Self::Saturation, Self::Light, Self::Highest, Self::Half, Self::Calls];

    /// Its title in tables.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Saturation => format!("At saturation, {} calls", count(SATURATION_CALLS as u64)),
            Self::Light => format!("At {} packets a second", count(LIGHT_PACKETS as u64)),
            Self::Highest => "Highest load within the objective".to_owned(),
            Self::Half => "At half of its highest load".to_owned(),
            Self::Calls => "Calls".to_owned(),
        }
    }

    /// Whether it says something about a subject: gathering changes what light loads cost and how
    /// long packets take, and little else.
    pub(crate) const fn applies_to(self, subject: Subject) -> bool {
        match self {
            Self::Light | Self::Half => true,
            Self::Saturation | Self::Highest | Self::Calls => !subject.gathers(),
        }
    }

    /// The command line, program left out. `highest` is the most calls within the objective.
    pub(crate) fn words(self, args: &PeerArgs, subject: Subject, highest: usize) -> Vec<String> {
        let seconds = if args.quick { 2.0 } else { args.seconds };
        let resolution = if args.quick { 12 } else { 4 };
        let voice = |calls: usize| format!("--rtcp 5 --verify-one-in 64 --calls {calls}");
        let text = match self {
            Self::Saturation => format!(
                "run --rate max --window {SATURATION_WINDOW} --calls {SATURATION_CALLS} --rtcp 0 \
                 --verify-one-in 64 --seconds {seconds}"
            ),
            Self::Light => {
                format!("run {} --seconds {seconds}", voice(LIGHT_PACKETS / VOICE_PACKETS))
            }
            Self::Highest => format!(
                "find-max {} --most {MOST_CALLS} --resolution {resolution} --seconds {}",
                voice(FIRST_CALLS),
                seconds.min(4.0)
            ),
            Self::Half => format!("run {} --seconds {seconds}", voice((highest / 2).max(1))),
            Self::Calls => format!("churn --calls 0 --outstanding 64 --seconds {seconds}"),
        };
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.extend(subject.words(args));
        words
    }
}
