//! A media line with the lines below it.

use std::net::{IpAddr, SocketAddr};

use agw_context::Media;

use super::address::Connection;
use super::error::SdpRule;
use super::line::Line;
use super::protocol::Protocol;

/// A media line with the lines below it.
pub(crate) struct MediaDescription {
    /// The media line first.
    pub(crate) lines: Vec<Line>,
    pub(crate) media: Media,
    /// The port of RTP; 0 declines or disables the stream (RFC 3264 §6, §8.2).
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// Whether the session had a connection when this line came.
    connected: bool,
}

/// Where RTCP goes, as far as a description says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RtcpAt {
    pub(crate) port: u16,
    pub(crate) address: Option<IpAddr>,
}

/// The bandwidth that an author wants to receive at most, in bit/s; 0 is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bandwidth {
    /// Of media, in IP packets.
    pub(crate) media_bps: u64,
    /// Of RTCP (RFC 3556).
    pub(crate) rtcp_bps: u64,
}

/// Packets of media in a second where nobody says how many: one every 20 ms.
const USUAL_RATE: u64 = 50;
/// IPv4 or IPv6 and UDP; the greater one, because policing is to let pass what is agreed.
const HEADER_BITS: u64 = 48 * 8;

impl MediaDescription {
    /// Begins with a media line.
    pub(crate) fn open(line: Line, connected: bool) -> Result<Self, SdpRule> {
        let value = line.value().ok_or(SdpRule::Media)?;
        let mut fields = value.split_ascii_whitespace();
        let mut field = || fields.next().ok_or(SdpRule::Media);
        let (name, port, protocol) = (field()?, field()?, field()?);
        field()?;
        let (port, ports) = port.split_once('/').unwrap_or((port, "1"));
        let port = port.parse().map_err(|_| SdpRule::Media)?;
        let media = match name {
            "audio" => Media::Audio,
            "video" => Media::Video,
            _ => Media::Other,
        };
        // Several ports under one line are a hierarchy of layers, which no gateway relays.
        let protocol = if ports == "1" { Protocol::parse(protocol) } else { Protocol::Other };
        Ok(Self { lines: vec![line], media, port, protocol, connected })
    }

    pub(crate) fn add(&mut self, line: Line) -> Result<(), SdpRule> {
        if line.is_attribute("rtcp") && parse_rtcp(&line).is_none() && self.is_relayed() {
            return Err(SdpRule::Rtcp);
        }
        self.lines.push(line);
        Ok(())
    }

    /// Whether a gateway may have to send there.
    pub(crate) fn is_relayed(&self) -> bool {
        self.port != 0 && self.protocol != Protocol::Other
    }

    /// Whether the stream is used and can be: it has somewhere to go.
    pub(crate) fn check(&self) -> Result<(), SdpRule> {
        let is_lost = self.is_relayed() && !self.connected && self.connection().is_none();
        if is_lost { Err(SdpRule::NoConnection) } else { Ok(()) }
    }

    /// The first line's fields after media, port and transport.
    pub(crate) fn formats(&self) -> &str {
        let value = self.lines.first().and_then(Line::value).unwrap_or_default();
        let mut rest = value;
        for _ in 0..3 {
            rest = rest.trim_start();
            rest = rest.split_once([' ', '\t']).map_or("", |(_, rest)| rest);
        }
        rest.trim_start()
    }

    /// The media as written.
    pub(crate) fn name(&self) -> &str {
        let value = self.lines.first().and_then(Line::value).unwrap_or_default();
        value.split_ascii_whitespace().next().unwrap_or_default()
    }

    /// The transport as written.
    pub(crate) fn transport(&self) -> &str {
        let value = self.lines.first().and_then(Line::value).unwrap_or_default();
        value.split_ascii_whitespace().nth(2).unwrap_or_default()
    }

    pub(crate) fn connection(&self) -> Option<Connection> {
        let line = self.lines.iter().find(|line| line.kind() == Some(b'c'))?;
        Connection::parse(line.value()?)
    }

    /// The values of an attribute, in their order.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(Line::attribute).filter(move |(n, _)| *n == name).map(|a| a.1)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.is_attribute(name))
    }

    /// The crypto lines, whole.
    pub(crate) fn crypto_lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(|line| line.is_attribute("crypto")).filter_map(Line::text)
    }

    /// Whether the UE asks for protection to the access edge (TS 24.229 §7.5.2). A blank after
    /// the colon is in TS 34.229-1.
    pub(crate) fn requests_e2ae(&self) -> bool {
        self.values("3ge2ae").any(|value| value.trim() == "requested")
    }

    pub(crate) fn rtcp(&self) -> Option<RtcpAt> {
        self.lines.iter().find(|line| line.is_attribute("rtcp")).and_then(parse_rtcp)
    }

    /// Where RTCP goes, next to RTP at `rtp`, if it is said.
    pub(crate) fn rtcp_address(&self, rtp: IpAddr) -> Option<SocketAddr> {
        let at = self.rtcp().filter(|at| at.port != 0)?;
        Some(SocketAddr::new(at.address.unwrap_or(rtp), at.port))
    }

    /// What the author wants to receive at most, by this line or the session's.
    pub(crate) fn bandwidth(&self, session: &[Line]) -> Bandwidth {
        let of = |lines: &[Line], kind| lines.iter().find_map(|line| bandwidth(line, kind));
        let said = |kind| of(&self.lines, kind).or_else(|| of(session, kind));
        let of_level = |lines: &[Line]| {
            let by_as = of(lines, "AS").map(|kbps| kbps.saturating_mul(1_000));
            by_as.or_else(|| of(lines, "TIAS").map(|bps| self.with_headers(bps)))
        };
        // The line's own, in whatever unit, before the session's, which is for all lines.
        let media_bps = of_level(&self.lines).or_else(|| of_level(session)).unwrap_or(0);
        let rtcp = |kind| said(kind).unwrap_or_default();
        Bandwidth { media_bps, rtcp_bps: rtcp("RS").saturating_add(rtcp("RR")) }
    }

    /// What packets of so much media take with their headers (RFC 3890 §6.2); nothing of nothing.
    fn with_headers(&self, bps: u64) -> u64 {
        let rate = self.values("maxprate").find_map(|value| {
            let whole = value.trim().split('.').next()?;
            whole.parse::<u64>().ok().map(|rate| rate.saturating_add(1))
        });
        let headers = rate.unwrap_or(USUAL_RATE).saturating_mul(HEADER_BITS);
        if bps == 0 { 0 } else { bps.saturating_add(headers) }
    }
}

fn bandwidth(line: &Line, kind: &str) -> Option<u64> {
    if line.kind()? != b'b' {
        return None;
    }
    let (name, value) = line.value()?.split_once(':')?;
    if name == kind { value.trim().parse().ok() } else { None }
}

fn parse_rtcp(line: &Line) -> Option<RtcpAt> {
    let (_, value) = line.attribute()?;
    let value = value.trim();
    let (port, connection) = match value.split_once([' ', '\t']) {
        Some((port, address)) => (port, Some(Connection::parse(address)?)),
        None => (value, None),
    };
    let port = port.parse().ok()?;
    // Browsers write `9 IN IP4 0.0.0.0` where they do not know yet: it says nothing. Who is
    // somewhere that nobody knows is taken to be where RTP is.
    let is_nowhere = connection.is_some_and(Connection::is_nowhere);
    let address = connection.and_then(Connection::address);
    Some(RtcpAt { port: if is_nowhere { 0 } else { port }, address })
}
