//! A call as the operator writes it, and the commands that set it up.

mod dscp;
mod standing;
mod words;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use agw_iq::pb;
use agw_iq::pb::command::Command;
use clap::ValueEnum;
use zeroize::Zeroizing;

pub(crate) use standing::Standing;

/// A call; what is absent has a default.
#[derive(Debug, Default)]
pub(crate) struct CallSpec {
    pub(crate) correlation: Option<String>,
    pub(crate) priority: Option<Precedence>,
    pub(crate) media: Option<MediaKind>,
    pub(crate) mode: Option<Mode>,
    pub(crate) stream: Option<u32>,
    pub(crate) heartbeat_ms: Option<u32>,
    pub(crate) access: LegSpec,
    pub(crate) core: LegSpec,
}

/// One leg of a call.
#[derive(Debug, Default)]
pub(crate) struct LegSpec {
    pub(crate) realm: Option<String>,
    pub(crate) transport: Option<TransportKind>,
    pub(crate) remote: Option<RemoteAddress>,
    pub(crate) remote_rtcp: Option<RemoteAddress>,
    pub(crate) rtcp: Option<Rtcp>,
    pub(crate) source: Option<SourceRule>,
    pub(crate) source_filter: Option<SourceFilter>,
    pub(crate) dscp: Option<Dscp>,
    pub(crate) ecn: Option<Ecn>,
    pub(crate) latch_once: Option<bool>,
    pub(crate) rtcp_gate: Option<RtcpGate>,
    pub(crate) bandwidth_kbps: Option<u32>,
    pub(crate) rewrite_sources: Option<StreamSsrc>,
    pub(crate) ingress_crypto: Option<CryptoLine>,
    pub(crate) egress_crypto: Option<CryptoLine>,
}

/// An `a=crypto` line. Secret: it wipes itself and is not printed.
#[derive(Clone)]
pub(crate) struct CryptoLine(Zeroizing<String>);

/// Where a peer receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RemoteAddress(SocketAddr);

/// The precedence of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Precedence {
    /// Refused first when the gateway is loaded.
    Normal,
    /// Admitted up to the hard limits.
    Priority,
    /// Admitted up to the hard limits.
    Emergency,
}

impl Precedence {
    /// The word of the API.
    pub(crate) const fn to_wire(self) -> pb::Priority {
        match self {
            Self::Normal => pb::Priority::Normal,
            Self::Priority => pb::Priority::Priority,
            Self::Emergency => pb::Priority::Emergency,
        }
    }
}

/// Who may send to a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFilter {
    network: String,
    lowest_port: u16,
    highest_port: u16,
}

/// The SSRC of a stream that looks like one, whoever sends it; 0 lets the gateway choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamSsrc(u32);

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum MediaKind {
    Audio,
    Video,
    Other,
}

/// Which directions are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Mode {
    Inactive,
    SendOnly,
    ReceiveOnly,
    SendReceive,
}

/// Where RTCP goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Rtcp {
    /// A port of its own.
    Pair,
    /// The RTP port.
    Mux,
    /// Nowhere.
    Off,
}

/// When RTCP passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum RtcpGate {
    /// Unless the stream is inactive.
    UnlessInactive,
    /// Where media does.
    WithMedia,
    /// Always.
    Open,
    /// Never.
    Closed,
}

/// What travels on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum TransportKind {
    /// SRTP that the gateway opens and seals.
    Secured,
    /// RTP.
    Plain,
    /// SRTP that the gateway forwards untouched.
    Transparent,
}

/// Whom a leg listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum SourceRule {
    /// Only the signalled address.
    Signalled,
    /// The address that packets come from.
    Latch,
}

/// Which code point leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dscp {
    /// The realm's.
    Realm,
    /// That of what arrives on the other leg.
    Copy,
    /// This one.
    Set(u8),
}

/// What becomes of the ECN field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Ecn {
    /// It is cleared.
    NotEct,
    /// It goes on as it arrives on the other leg.
    Copy,
}

impl CallSpec {
    /// This call, with what `other` says where this one says nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            correlation: self.correlation.or(other.correlation),
            priority: self.priority.or(other.priority),
            media: self.media.or(other.media),
            mode: self.mode.or(other.mode),
            stream: self.stream.or(other.stream),
            heartbeat_ms: self.heartbeat_ms.or(other.heartbeat_ms),
            access: self.access.or(other.access),
            core: self.core.or(other.core),
        }
    }

    /// The number of its stream.
    pub(crate) fn stream_id(&self) -> u32 {
        self.stream.unwrap_or(1)
    }

    /// The realms and streams of the access leg and of the core leg.
    fn into_streams(self) -> [(String, pb::Stream); 2] {
        let common = pb::Stream {
            stream_id: self.stream_id(),
            media: self.media.unwrap_or(MediaKind::Audio).to_wire().into(),
            mode: self.mode.unwrap_or(Mode::SendReceive).to_wire().into(),
            ..pb::Stream::default()
        };
        let access = self.access.into_stream("access", TransportKind::Secured, &common);
        [access, self.core.into_stream("core", TransportKind::Plain, &common)]
    }

    /// The commands of one transaction: the access leg, then the core leg.
    pub(crate) fn into_commands(mut self) -> Vec<Command> {
        let correlation_id = self.correlation.take().unwrap_or_default();
        let priority = self.priority.unwrap_or(Precedence::Normal).to_wire().into();
        let heartbeat_ms = self.heartbeat_ms.unwrap_or_default();
        let [(access_realm, access), (core_realm, core)] = self.into_streams();
        vec![
            Command::Reserve(pb::Reserve {
                correlation_id,
                priority,
                realm: access_realm,
                heartbeat_ms,
                streams: vec![access],
                ..pb::Reserve::default()
            }),
            Command::Reserve(pb::Reserve {
                latest_context: true,
                realm: core_realm,
                heartbeat_ms,
                streams: vec![core],
                ..pb::Reserve::default()
            }),
        ]
    }
}

impl LegSpec {
    fn or(self, other: Self) -> Self {
        Self {
            realm: self.realm.or(other.realm),
            transport: self.transport.or(other.transport),
            remote: self.remote.or(other.remote),
            remote_rtcp: self.remote_rtcp.or(other.remote_rtcp),
            rtcp: self.rtcp.or(other.rtcp),
            source: self.source.or(other.source),
            source_filter: self.source_filter.or(other.source_filter),
            dscp: self.dscp.or(other.dscp),
            ecn: self.ecn.or(other.ecn),
            latch_once: self.latch_once.or(other.latch_once),
            rtcp_gate: self.rtcp_gate.or(other.rtcp_gate),
            bandwidth_kbps: self.bandwidth_kbps.or(other.bandwidth_kbps),
            rewrite_sources: self.rewrite_sources.or(other.rewrite_sources),
            ingress_crypto: self.ingress_crypto.or(other.ingress_crypto),
            egress_crypto: self.egress_crypto.or(other.egress_crypto),
        }
    }

    /// The realm and the stream of this leg.
    fn into_stream(
        self,
        realm: &str,
        transport: TransportKind,
        common: &pb::Stream,
    ) -> (String, pb::Stream) {
        let rtp = self.remote.map(RemoteAddress::to_wire);
        let rtcp = self.remote_rtcp.map(RemoteAddress::to_wire);
        let remote = (rtp.is_some() || rtcp.is_some()).then_some(pb::RemoteAddress { rtp, rtcp });
        let stream = pb::Stream {
            transport: self.transport.unwrap_or(transport).to_wire().into(),
            rtcp: self.rtcp.unwrap_or(Rtcp::Pair).to_wire().into(),
            remote,
            source: self
                .source
                .map(|rule| pb::SourcePolicy { rule: rule.to_wire().into(), within_ms: None }),
            source_filter: self.source_filter.map(SourceFilter::into_wire),
            dscp: self.dscp.map(Dscp::to_wire),
            ecn: self.ecn.map_or(pb::EcnRule::Unspecified, Ecn::to_wire).into(),
            latch_once: self.latch_once.unwrap_or_default(),
            rtcp_gate: self.rtcp_gate.map_or(0, |gate| gate.to_wire().into()),
            bandwidth_bps: u64::from(self.bandwidth_kbps.unwrap_or_default()) * 1_000,
            rewrite_sources: self.rewrite_sources.map(StreamSsrc::to_wire),
            ingress_crypto: self.ingress_crypto.map(CryptoLine::into_wire),
            egress_crypto: self.egress_crypto.map(CryptoLine::into_wire),
            ..common.clone()
        };
        (self.realm.unwrap_or_else(|| realm.to_owned()), stream)
    }
}

impl CryptoLine {
    /// Takes a line over.
    pub(crate) fn new(line: String) -> Self {
        Self(Zeroizing::new(line))
    }

    fn into_wire(mut self) -> pb::CryptoContext {
        let sdes_line = std::mem::take(&mut *self.0);
        pb::CryptoContext { sdes_line, ..pb::CryptoContext::default() }
    }
}

impl fmt::Debug for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CryptoLine(redacted, {} octets)", self.0.len())
    }
}

impl FromStr for CryptoLine {
    type Err = std::convert::Infallible;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(line.to_owned()))
    }
}

impl FromStr for RemoteAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "IP:PORT, as 192.0.2.1:4000 or [2001:db8::1]:4000")
    }
}

impl FromStr for SourceFilter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "NETWORK [PORT[-PORT]], as 192.0.2.0/24 or \"2001:db8::1 4000-4010\"; * is any";
        let mut words = text.split_whitespace();
        let network = words.next().filter(|word| !word.is_empty()).ok_or(rule)?;
        let (lowest_port, highest_port) = match words.next().map(|word| {
            let (lowest, highest) = word.split_once('-').unwrap_or((word, word));
            Some((lowest.parse().ok()?, highest.parse().ok()?))
        }) {
            None => (0, 0),
            Some(ports) => ports.ok_or(rule)?,
        };
        if words.next().is_some() {
            return Err(rule);
        }
        let network = if network == "*" { String::new() } else { network.to_owned() };
        Ok(Self { network, lowest_port, highest_port })
    }
}

impl FromStr for StreamSsrc {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "`random`, or an SSRC as 0x1234abcd";
        let ssrc = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).map_err(|_| rule)?,
            None if text == "random" => return Ok(Self(0)),
            None => return Err(rule),
        };
        if ssrc == 0 { Err(rule) } else { Ok(Self(ssrc)) }
    }
}

impl StreamSsrc {
    const fn to_wire(self) -> pb::RewriteSources {
        pb::RewriteSources { enable: true, ssrc: self.0 }
    }
}

impl SourceFilter {
    fn into_wire(self) -> pb::SourceFilter {
        let Self { network, lowest_port, highest_port } = self;
        pb::SourceFilter {
            network,
            lowest_port: lowest_port.into(),
            highest_port: highest_port.into(),
        }
    }
}

impl RemoteAddress {
    fn to_wire(self) -> pb::SocketAddress {
        pb::SocketAddress { ip: self.0.ip().to_string(), port: self.0.port().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(spec: CallSpec) -> [pb::Reserve; 2] {
        let commands = spec.into_commands().into_iter();
        let reserves = commands.map(|command| {
            let Command::Reserve(reserve) = command else { panic!("{command:?}") };
            reserve
        });
        reserves.collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn a_call_without_words_is_secured_audio_to_a_plain_core_with_open_gates() {
        let [access, core] = streams(CallSpec::default());
        assert_eq!((access.realm.as_str(), core.realm.as_str()), ("access", "core"));
        assert!(!access.latest_context && core.latest_context);
        for (reserve, transport) in [(access, pb::Transport::Secured), (core, pb::Transport::Plain)]
        {
            let [stream] = &reserve.streams[..] else { panic!("one stream") };
            assert_eq!(stream.transport(), transport);
            assert_eq!(stream.media(), pb::Media::Audio);
            assert_eq!(stream.mode(), pb::StreamMode::SendReceive);
            assert_eq!(stream.rtcp(), pb::RtcpMode::Pair);
            assert_eq!((stream.stream_id, &stream.remote, &stream.source), (1, &None, &None));
        }
    }

    #[test]
    fn each_line_goes_to_its_own_direction() {
        let line = |text: &str| Some(CryptoLine::new(text.to_owned()));
        let leg = LegSpec {
            ingress_crypto: line("the peer's"),
            egress_crypto: line("the gateway's"),
            ..LegSpec::default()
        };
        let [access, _] = streams(CallSpec { access: leg, ..CallSpec::default() });
        let [stream] = &access.streams[..] else { panic!("one stream") };
        let lines = [&stream.ingress_crypto, &stream.egress_crypto]
            .map(|crypto| crypto.as_ref().unwrap().sdes_line.as_str());
        assert_eq!(lines, ["the peer's", "the gateway's"]);
    }

    #[test]
    fn a_source_filter_is_a_network_and_perhaps_ports() {
        let wire = |text: &str| {
            let wire = text.parse::<SourceFilter>().map(SourceFilter::into_wire);
            wire.map(|wire| (wire.network, wire.lowest_port, wire.highest_port))
        };
        let table = [
            ("192.0.2.0/24", ("192.0.2.0/24", 0, 0)),
            ("2001:db8::1 4000", ("2001:db8::1", 4_000, 4_000)),
            ("* 4000-4010", ("", 4_000, 4_010)),
        ];
        for (text, (network, lowest, highest)) in table {
            assert_eq!(wire(text), Ok((network.to_owned(), lowest, highest)), "{text}");
        }
        for wrong in ["", "192.0.2.1 x", "192.0.2.1 1-", "192.0.2.1 1 2", "192.0.2.1 70000"] {
            assert!(wire(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_code_point_is_a_word_or_a_number_of_six_bits() {
        let wire = |text: &str| text.parse::<Dscp>().map(Dscp::to_wire);
        assert_eq!(wire("46").unwrap().code_point, Some(46));
        assert_eq!(wire("copy").unwrap().rule(), pb::DscpRule::Copy);
        assert_eq!(wire("realm").unwrap().rule(), pb::DscpRule::Realm);
        for wrong in ["64", "-1", "ef", "300", ""] {
            assert!(wire(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_not_printed() {
        let line = CryptoLine::new("inline:secret".to_owned());
        assert_eq!(format!("{line:?}"), "CryptoLine(redacted, 13 octets)");
    }

    #[test]
    fn addresses_of_both_families_are_read_and_names_are_not() {
        let wire = |text: &str| text.parse::<RemoteAddress>().map(RemoteAddress::to_wire);
        let v6 = wire("[2001:db8::1]:4000").unwrap();
        assert_eq!((v6.ip.as_str(), v6.port), ("2001:db8::1", 4_000));
        assert!(wire("192.0.2.1:4000").is_ok());
        assert!(wire("example:4000").is_err());
    }
}
