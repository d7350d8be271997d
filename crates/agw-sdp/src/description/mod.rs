//! A session description (RFC 8866) as a list of lines, of which few are understood.
//!
//! Nothing is normalised: what is not rewritten leaves octet by octet as it came, in its order,
//! with its ends of lines. That is what end-to-end protection asks for, and what keeps attributes
//! that nobody here has heard of.

mod address;
mod error;
mod line;
mod media;
mod protocol;
mod text;

use std::fmt;
use std::net::IpAddr;

use zeroize::Zeroizing;

pub(crate) use address::{Connection, connection_line, kind, nowhere};
pub use error::{SdpError, SdpRule};
pub(crate) use line::Line;
pub(crate) use media::{Bandwidth, MediaDescription};
pub(crate) use protocol::{Profile, Protocol};
pub(crate) use text::{Fingerprint, Text};

/// No SIP message over UDP is longer.
const MAX_OCTETS: usize = 65_535;
/// Candidates and formats of many streams fit well.
const MAX_LINES: usize = 4_096;
/// The most streams of a termination.
const MAX_MEDIA: usize = 64;

/// A session description.
pub struct SessionDescription {
    pub(crate) session: Vec<Line>,
    pub(crate) media: Vec<MediaDescription>,
}

impl SessionDescription {
    /// Reads a session description.
    ///
    /// Only what is needed to relay media is read: versions, media lines, connections. Unknown
    /// lines, wrong order and lines that are no text are kept as they are.
    ///
    /// # Errors
    /// The first line that cannot be worked with.
    pub fn parse(octets: &[u8]) -> Result<Self, SdpError> {
        let whole = |rule| SdpError { line: 0, rule };
        if octets.len() > MAX_OCTETS {
            return Err(whole(SdpRule::TooLong { limit: MAX_OCTETS }));
        }
        let mut description = Self { session: Vec::new(), media: Vec::new() };
        let (mut rest, mut number) = (octets, 0);
        while let Some((line, after)) = Line::take(rest) {
            (rest, number) = (after, number + 1);
            let refused = |rule| SdpError { line: number, rule };
            if number > MAX_LINES {
                return Err(refused(SdpRule::TooManyLines { limit: MAX_LINES }));
            }
            if number == 1 && line.octets().trim_ascii_end() != b"v=0" {
                return Err(refused(SdpRule::Version));
            }
            if line.octets().iter().any(|octet| matches!(octet, b'\r' | b'\0')) {
                return Err(refused(SdpRule::Octet));
            }
            description.add(line).map_err(refused)?;
        }
        description.media.iter().try_for_each(MediaDescription::check).map_err(whole)?;
        if number == 0 { Err(whole(SdpRule::Version)) } else { Ok(description) }
    }

    /// The number of media lines.
    #[must_use]
    pub fn media_count(&self) -> usize {
        self.media.len()
    }

    /// The description as octets, **with its keys**. They wipe themselves; copies are the
    /// caller's matter.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<Vec<u8>> {
        let lines = || self.session.iter().chain(self.media.iter().flat_map(|media| &media.lines));
        let mut out = Zeroizing::new(Vec::with_capacity(lines().map(Line::room).sum()));
        for line in lines() {
            line.write(&mut out);
        }
        out
    }

    /// The connection of a media line: its own or the session's.
    pub(crate) fn connection(&self, media: &MediaDescription) -> Option<Connection> {
        media.connection().or_else(|| self.session_connection())
    }

    /// The session's connection.
    pub(crate) fn session_connection(&self) -> Option<Connection> {
        let line = self.session.iter().find(|line| line.kind() == Some(b'c'))?;
        Connection::parse(line.value()?)
    }

    /// Where a media line's author receives; `None` if nothing is to be sent there, or nobody knows
    /// where it is.
    pub(crate) fn address(&self, media: &MediaDescription) -> Option<IpAddr> {
        let connection = self.connection(media)?;
        connection.address().filter(|_| !connection.is_nowhere())
    }

    /// Whether a media line's author receives somewhere that has to be learnt.
    pub(crate) fn is_somewhere(&self, media: &MediaDescription) -> bool {
        matches!(self.connection(media), Some(Connection::Somewhere(_)))
    }

    fn add(&mut self, line: Line) -> Result<(), SdpRule> {
        // A line that is not relayed may say anything of where it would be.
        let is_used = self.media.last().is_none_or(MediaDescription::is_relayed);
        let is_connection = is_used && line.kind() == Some(b'c');
        if is_connection && line.value().and_then(Connection::parse).is_none() {
            return Err(SdpRule::Connection);
        }
        if line.kind() == Some(b'm') {
            if self.media.len() == MAX_MEDIA {
                return Err(SdpRule::TooManyMedia { limit: MAX_MEDIA });
            }
            let connected = self.session_connection().is_some();
            self.media.push(MediaDescription::open(line, connected)?);
            return Ok(());
        }
        match self.media.last_mut() {
            Some(media) => media.add(line)?,
            None => self.session.push(line),
        }
        Ok(())
    }
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.session.len() + self.media.iter().map(|m| m.lines.len()).sum::<usize>();
        write!(f, "SessionDescription({lines} lines, {} media)", self.media.len())
    }
}
