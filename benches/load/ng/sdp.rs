//! Session descriptions: written by hand for the two parties, read from rtpengine's replies.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use agw_sdes::{CryptoAttribute, Mode, SdesError};
use zeroize::Zeroizing;

/// Why a description of rtpengine's could not be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SdpError {
    /// A line that must be there is not, or cannot be read.
    #[error("no readable `{0}` line")]
    Line(&'static str),
    /// The key line breaks a rule.
    #[error("the key line is invalid: {0}")]
    Key(#[from] SdesError),
    /// The stream was refused.
    #[error("the stream was refused")]
    Refused,
}

/// The one stream of a description.
#[derive(Debug)]
pub(crate) struct Media {
    /// Where its author receives RTP.
    pub(crate) rtp: SocketAddr,
    /// Where its author receives RTCP.
    pub(crate) rtcp: SocketAddr,
    /// The key its author seals with, if it does.
    pub(crate) crypto: Option<CryptoAttribute>,
}

/// Writes a description of one G.711 stream at `rtp`, RTCP multiplexed if `mux` says so; secured
/// with the key of `crypto`, plain without.
pub(crate) fn describe(
    rtp: SocketAddr,
    mux: bool,
    crypto: Option<&CryptoAttribute>,
) -> Zeroizing<String> {
    let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
    let (address, port) = (rtp.ip(), rtp.port());
    let profile = if crypto.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let key = crypto.map(CryptoAttribute::expose_line);
    // Room for all of it at once: text that grows leaves its keys behind in the heap.
    let length = 256 + key.as_ref().map_or(0, |line| line.len());
    let mut sdp = Zeroizing::new(String::with_capacity(length));
    let written = write!(
        sdp,
        "v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n\
         m=audio {port} {profile} 8\r\n",
    );
    debug_assert!(written.is_ok(), "a string takes all");
    if mux {
        sdp.push_str("a=rtcp-mux\r\n");
    }
    if let Some(key) = key {
        sdp.push_str(&key);
        sdp.push_str("\r\n");
    }
    sdp
}

/// Reads a description with one stream.
///
/// # Errors
///
/// What is missing or wrong in it.
pub(crate) fn read(sdp: &str) -> Result<Media, SdpError> {
    let address = find(sdp, "c=IN ").and_then(connection).ok_or(SdpError::Line("c="))?;
    let port = find(sdp, "m=audio ").and_then(first_port).ok_or(SdpError::Line("m=audio"))?;
    if port == 0 {
        return Err(SdpError::Refused);
    }
    let rtp = SocketAddr::new(address, port);
    let mut rtcp = SocketAddr::new(address, port.checked_add(1).ok_or(SdpError::Line("m=audio"))?);
    if let Some(value) = find(sdp, "a=rtcp:") {
        rtcp.set_port(first_port(value).ok_or(SdpError::Line("a=rtcp"))?);
    }
    if sdp.lines().any(|line| line == "a=rtcp-mux") {
        rtcp = rtp;
    }
    let key = sdp.lines().find(|line| line.starts_with("a=crypto:"));
    let crypto = key.map(|line| CryptoAttribute::parse(line, Mode::Tolerant)).transpose()?;
    Ok(Media { rtp, rtcp, crypto })
}

/// The rest of the first line that begins with `start`.
fn find<'a>(sdp: &'a str, start: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.strip_prefix(start))
}

/// `IP4 ADDRESS` or `IP6 ADDRESS`.
fn connection(value: &str) -> Option<IpAddr> {
    value.split_once(' ').and_then(|(_, address)| address.trim().parse().ok())
}

fn first_port(value: &str) -> Option<u16> {
    value.split(' ').next().and_then(|port| port.parse().ok())
}
