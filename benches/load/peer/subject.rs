//! Who is measured.

use serde::{Deserialize, Serialize};

use crate::cli::PeerArgs;

/// A gateway in one of its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// rtpengine in user space: what the others are compared with.
    Rtpengine,
    /// agw on sockets.
    Sockets,
    /// agw on sockets, gathering packets.
    SocketsGathering,
    /// agw on `AF_XDP`.
    Xdp,
    /// agw on `AF_XDP`, gathering packets.
    XdpGathering,
    /// The bare forwarder: sockets without crypto, checks and calls.
    Forwarder,
}

impl Subject {
    /// All of them, in the order of columns.
    pub(crate) const ALL: [Self; 6] = [
        Self::Rtpengine,
        Self::Sockets,
        Self::SocketsGathering,
        Self::Xdp,
        Self::XdpGathering,
        Self::Forwarder,
    ];

    /// Its name in tables.
    pub(crate) fn name(self, args: &PeerArgs) -> String {
        let gathering = args.coalesce_us;
        match self {
            Self::Rtpengine => "rtpengine".to_owned(),
            Self::Sockets => "agw sockets".to_owned(),
            Self::SocketsGathering => format!("agw sockets, {gathering} µs"),
            Self::Xdp => "agw xdp".to_owned(),
            Self::XdpGathering => format!("agw xdp, {gathering} µs"),
            Self::Forwarder => "bare forwarder".to_owned(),
        }
    }

    /// Whether it waits for packets to gather.
    pub(crate) const fn gathers(self) -> bool {
        match self {
            Self::SocketsGathering | Self::XdpGathering => true,
            Self::Rtpengine | Self::Sockets | Self::Xdp | Self::Forwarder => false,
        }
    }

    /// Whether it needs interfaces of its own.
    pub(crate) const fn needs_netns(self) -> bool {
        match self {
            Self::Xdp | Self::XdpGathering => true,
            Self::Rtpengine | Self::Sockets | Self::SocketsGathering | Self::Forwarder => false,
        }
    }

    /// The same gateway without gathering.
    pub(crate) const fn ungathered(self) -> Self {
        match self {
            Self::SocketsGathering => Self::Sockets,
            Self::XdpGathering => Self::Xdp,
            Self::Rtpengine | Self::Sockets | Self::Xdp | Self::Forwarder => self,
        }
    }

    /// The options that choose it.
    pub(crate) fn words(self, args: &PeerArgs) -> Vec<String> {
        let mut text = match self {
            Self::Rtpengine => "--target rtpengine",
            Self::Sockets | Self::SocketsGathering => "--target agw --backend sockets",
            Self::Xdp | Self::XdpGathering => "--target agw --backend xdp",
            // It has no keys: both sides are plain.
            Self::Forwarder => "--target forwarder --suite none",
        }
        .to_owned();
        if self != Self::Forwarder {
            text.push_str(&format!(" --suite {}", args.suite));
        }
        if self.gathers() {
            text.push_str(&format!(" --coalesce-us {}", args.coalesce_us));
        }
        if args.netns {
            // The cheapest generator there is, so that the gateway is the limit.
            text.push_str(" --netns --generator xdp");
        }
        text.push_str(&format!(
            " --workers 1 --gateway-core {} --pin {}",
            args.gateway_core, args.generator_core
        ));
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let program = match self {
            Self::Rtpengine => &args.rtpengine,
            Self::Forwarder => &None,
            Self::Sockets | Self::SocketsGathering | Self::Xdp | Self::XdpGathering => &args.agwd,
        };
        if let Some(program) = program {
            words.extend(["--program".to_owned(), program.display().to_string()]);
        }
        words
    }
}
