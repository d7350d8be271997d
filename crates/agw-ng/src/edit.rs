//! What ng asks of session descriptions besides what offer and answer do.
//!
//! All of it goes line by line, so that what is not asked for stays octet by octet.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::options::Options;
use crate::value::Octets;

/// The attribute that marks a description which passed here.
const MARK: &str = "a=agw-loop:";
/// What a line may grow by, so that descriptions are not copied in growing.
const GROWTH: usize = 96;

/// What a description that leaves shows.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The gateway's addresses towards who reads it.
    pub local: &'a [IpAddr],
    /// What marks descriptions of this gateway.
    pub mark: &'a str,
}

impl Options {
    /// Edits a description that leaves for the receiver.
    #[must_use]
    pub fn edit(&self, sdp: &[u8], shown: &Shown<'_>) -> Octets {
        let is_edited = self.media_address.is_some()
            || self.replace.zero_address
            || self.generate_mid
            || self.loop_protect;
        if !is_edited || sdp.is_empty() {
            return Zeroizing::new(sdp.to_vec());
        }
        let address = self.media_address.or_else(|| shown.local.first().copied());
        let mut lines = Lines::with_room_for(sdp);
        let mut mids = Mids::new(sdp);
        for line in sdp.split_inclusive(|octet| *octet == b'\n') {
            let text = std::str::from_utf8(line).unwrap_or_default();
            if self.generate_mid && text.starts_with("m=") {
                mids.before_media(&mut lines);
            }
            match (address, connection(text)) {
                (Some(address), Some((head, said))) if self.replaces(said, shown.local) => {
                    lines.push(format!("{head}{}", shown_as(address)).as_bytes());
                    lines.push(b"\r\n");
                }
                (Some(_) | None, _) => lines.push(line),
            }
        }
        if self.generate_mid {
            mids.at_end(&mut lines);
        }
        if self.loop_protect {
            lines.attribute(&format!("{MARK}{}", shown.mark));
        }
        lines.out
    }

    fn replaces(&self, said: IpAddr, local: &[IpAddr]) -> bool {
        if said.is_unspecified() {
            self.replace.zero_address
        } else {
            self.media_address.is_some() && local.contains(&said)
        }
    }
}

/// Whether a description passed a gateway with this mark already.
#[must_use]
pub fn came_through(sdp: &[u8], mark: &str) -> bool {
    let line = format!("{MARK}{mark}");
    sdp.split(|octet| *octet == b'\n').any(|one| one.trim_ascii_end() == line.as_bytes())
}

/// A description as if its author received at `address`: for those who do not know their own.
#[must_use]
pub fn from_source(sdp: &[u8], address: IpAddr) -> Octets {
    let mut lines = Lines::with_room_for(sdp);
    for line in sdp.split_inclusive(|octet| *octet == b'\n') {
        let text = std::str::from_utf8(line).unwrap_or_default();
        match connection(text) {
            Some((head, said)) if !said.is_unspecified() && head == "c=" => {
                lines.push(format!("c={}\r\n", shown_as(address)).as_bytes());
            }
            Some(_) | None => lines.push(line),
        }
    }
    lines.out
}

/// The address of `c=` or `a=rtcp`, and what stands before it.
fn connection(line: &str) -> Option<(&str, IpAddr)> {
    let line = line.trim_end();
    let is_shown = line.starts_with("c=") || line.starts_with("a=rtcp:");
    let at = line.find("IN IP4 ").or_else(|| line.find("IN IP6 ")).filter(|_| is_shown)?;
    let (head, rest) = line.split_at_checked(at)?;
    let address = rest.get(7..)?.split(['/', ' ']).next()?;
    Some((head, address.parse().ok()?))
}

fn shown_as(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("IN IP4 {address}"),
        IpAddr::V6(address) => format!("IN IP6 {address}"),
    }
}

struct Lines {
    out: Octets,
}

impl Lines {
    fn with_room_for(sdp: &[u8]) -> Self {
        let lines = sdp.iter().filter(|octet| **octet == b'\n').count() + 2;
        Self { out: Zeroizing::new(Vec::with_capacity(sdp.len() + lines * GROWTH)) }
    }

    fn push(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// Puts an attribute at the end, after a line that ends.
    fn attribute(&mut self, text: &str) {
        if !self.out.is_empty() && !self.out.ends_with(b"\n") {
            self.push(b"\r\n");
        }
        self.push(text.as_bytes());
        self.push(b"\r\n");
    }
}

/// Which media lines lack an identification (RFC 5888), and what it is to be.
struct Mids {
    lacking: Vec<bool>,
    media: usize,
    taken: Vec<String>,
}

impl Mids {
    fn new(sdp: &[u8]) -> Self {
        let (mut lacking, mut taken) = (Vec::new(), Vec::new());
        for line in sdp.split(|octet| *octet == b'\n') {
            if line.starts_with(b"m=") {
                lacking.push(true);
            } else if let (Some(mid), Some(last)) =
                (line.strip_prefix(b"a=mid:"), lacking.last_mut())
            {
                *last = false;
                taken.push(String::from_utf8_lossy(mid.trim_ascii()).into_owned());
            }
        }
        Self { lacking, media: 0, taken }
    }

    fn before_media(&mut self, lines: &mut Lines) {
        self.at_end(lines);
        self.media += 1;
    }

    fn at_end(&mut self, lines: &mut Lines) {
        let ended = self.media.checked_sub(1).and_then(|media| self.lacking.get(media));
        if ended == Some(&true) {
            let mut mid = self.media.to_string();
            while self.taken.contains(&mid) {
                mid.insert(0, 'm');
            }
            lines.attribute(&format!("a=mid:{mid}"));
            self.taken.push(mid);
        }
    }
}
