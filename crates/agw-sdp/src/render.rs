//! The outgoing description: the incoming one, with few lines changed.

use std::net::IpAddr;

use agw_context::{Family, LocalStream};
use zeroize::Zeroizing;

use crate::description::{
    Connection, Line, MediaDescription, SessionDescription, connection_line, kind, nowhere,
};
use crate::options::RtcpAttribute;

/// What becomes of a media line.
pub(crate) enum MediaEdit {
    /// It stays; only an indication that is not its author's to make is taken away.
    PassBy,
    /// Its port becomes 0.
    Decline {
        /// The transport to write; `None` leaves it.
        transport: Option<String>,
    },
    /// It shows the gateway.
    Relay(Box<RelayEdit>),
}

/// How a relayed media line changes.
pub(crate) struct RelayEdit {
    /// The gateway's addresses towards who reads this.
    pub(crate) local: LocalStream,
    /// The transport to write; `None` leaves it.
    pub(crate) transport: Option<String>,
    /// The crypto lines in place of those that there are; `None` leaves them.
    pub(crate) crypto: Option<Vec<Zeroizing<String>>>,
    /// Whether `a=3ge2ae:applied` is said.
    pub(crate) applied: bool,
    /// Whether `a=rtcp-mux` is said.
    pub(crate) mux: bool,
    /// Whether what is for RTP/AVPF only goes away.
    pub(crate) drops_feedback: bool,
    /// What stands as `a=rtcp`.
    pub(crate) rtcp: RtcpAttribute,
}

/// What belongs to the path between the ends, which the gateway cuts in two.
const OF_PATH: [&str; 10] = [
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "ice-mismatch",
    "rtcp-mux-only",
    "bundle-only",
];
//= tests/spec/sdp.md#end-to-access-edge
//# No other way to key SRTP MUST be left where the gateway ends it.
/// Other ways to key SRTP, which end where the gateway opens it (RFC 4568 §7.5), capabilities in
/// which they may be offered included (RFC 5939, RFC 6871).
const OF_KEYS: [&str; 14] = [
    "crypto",
    "key-mgmt",
    "fingerprint",
    "setup",
    "tls-id",
    "dtls-id",
    "acap",
    "tcap",
    "pcfg",
    "lcfg",
    "acfg",
    "sescap",
    "csup",
    "creq",
];

/// What else tells of the author of a line that is not used.
const OF_AUTHOR: [&str; 4] = ["3ge2ae", "rtcp", "rtcp-mux", "path"];

/// Writes a description with one edit for each of its media lines; `known` is what its reader knows
/// of the gateway, should no line show it.
pub(crate) fn render(
    mut description: SessionDescription,
    edits: &[MediaEdit],
    known: Option<IpAddr>,
    hides_origin: bool,
) -> Zeroizing<Vec<u8>> {
    let local = one_local(&description, edits, known);
    edit_session(&mut description, edits, local, hides_origin);
    let shown = description.session_connection().and_then(Connection::address);
    for (media, edit) in description.media.iter_mut().zip(edits) {
        match edit {
            //= tests/spec/sdp.md#indications
            //# An indication of e2ae protection that another party wrote MUST be taken away.
            MediaEdit::PassBy => media.lines.retain(|line| !line.resembles("3ge2ae")),
            MediaEdit::Decline { transport } => decline(media, transport.as_deref(), local),
            MediaEdit::Relay(edit) => relay(media, edit, shown),
        }
    }
    description.expose()
}

fn edit_session(
    description: &mut SessionDescription,
    edits: &[MediaEdit],
    local: Option<IpAddr>,
    hides_origin: bool,
) {
    let is_end_to_end = edits.iter().any(|edit| match edit {
        MediaEdit::Relay(edit) => edit.crypto.is_none(),
        MediaEdit::PassBy => true,
        MediaEdit::Decline { .. } => false,
    });
    let leans = |(media, edit): (&MediaDescription, &MediaEdit)| {
        matches!(edit, MediaEdit::PassBy) && media.connection().is_none()
    };
    let is_needed = description.media.iter().zip(edits).any(leans);
    let lines = &mut description.session;
    lines.retain(|line| !line.resembles("3ge2ae"));
    if !is_end_to_end {
        lines.retain(|line| !is_of_keys(line));
    }
    let Some(local) = local else { return };
    let is_misspelt =
        |line: &Line| line.kind() != Some(b'c') && line.resembles_kind(b'c').is_some();
    lines.retain(|line| !is_of_path(line) && !is_bundle(line) && !is_misspelt(line));
    for line in lines.iter_mut() {
        match line.kind() {
            Some(b'c') if !is_needed => replace_connection(line, local),
            Some(b'o') if hides_origin => replace_origin(line, local),
            Some(_) | None => {}
        }
    }
}

/// The address that a description shows where it shows only one; nothing if all of it is about
/// media past the gateway.
fn one_local(
    description: &SessionDescription,
    edits: &[MediaEdit],
    known: Option<IpAddr>,
) -> Option<IpAddr> {
    let first = edits.iter().find_map(|edit| match edit {
        MediaEdit::Relay(edit) => Some(edit.local.rtp.ip()),
        MediaEdit::PassBy | MediaEdit::Decline { .. } => None,
    });
    let is_past = edits.iter().any(|edit| matches!(edit, MediaEdit::PassBy));
    //= tests/spec/sdp.md#end-to-access-edge
    //# Where no media is left the author's address MUST NOT leave either.
    let hidden = || {
        let said = description.session_connection().map(Connection::family);
        known.unwrap_or_else(|| nowhere(said.unwrap_or(Family::V4)))
    };
    first.or_else(|| (!is_past).then(hidden))
}

fn decline(media: &mut MediaDescription, transport: Option<&str>, local: Option<IpAddr>) {
    let transport = transport.unwrap_or_else(|| media.transport()).to_owned();
    let text = format!("m={} 0 {transport} {}", media.name(), media.formats());
    let is_of_author = |line: &Line| OF_AUTHOR.iter().any(|name| line.resembles(name));
    media.lines.retain(|line| !is_of_keys(line) && !is_of_path(line) && !is_of_author(line));
    if let Some(line) = media.lines.first_mut() {
        line.replace(&text);
    }
    keep_first_connection(media);
    let connection = media.lines.iter_mut().find(|line| line.kind() == Some(b'c'));
    if let (Some(line), Some(local)) = (connection, local) {
        replace_connection(line, local);
    }
}

fn relay(media: &mut MediaDescription, edit: &RelayEdit, shown: Option<IpAddr>) {
    let RelayEdit { local, transport, crypto, applied, mux, drops_feedback, rtcp } = edit;
    let had_rtcp = media.has("rtcp");
    let text = {
        let transport = transport.as_deref().unwrap_or_else(|| media.transport());
        format!("m={} {} {transport} {}", media.name(), local.rtp.port(), media.formats())
    };
    media.lines.retain(|line| {
        let replaced = ["3ge2ae", "rtcp-mux", "rtcp"].iter().any(|name| line.resembles(name));
        let is_feedback = *drops_feedback && line.is_attribute("rtcp-fb");
        !replaced && !is_feedback && !is_of_path(line)
    });
    if crypto.is_some() {
        //= tests/spec/sdp.md#end-to-access-edge
        //# Towards the core no crypto line MUST be left.
        media.lines.retain(|line| !is_of_keys(line));
    }
    if let Some(line) = media.lines.first_mut() {
        line.replace(&text);
    }
    place_connection(media, local.rtp.ip(), shown);
    if let Some(last) = media.lines.last_mut() {
        last.finish();
    }
    let mut put = |text: &str| media.lines.push(Line::new(text));
    let says_rtcp = match rtcp {
        RtcpAttribute::AsGiven => had_rtcp,
        RtcpAttribute::Never => false,
        RtcpAttribute::Full => true,
    };
    if let (true, Some(rtcp)) = (says_rtcp, local.rtcp) {
        put(&format!("a=rtcp:{} {}", rtcp.port(), connection_line(rtcp.ip())));
    }
    if *mux {
        put("a=rtcp-mux");
    }
    for line in crypto.iter().flatten() {
        put(line);
    }
    if *applied {
        put("a=3ge2ae:applied");
    }
}

//= tests/spec/sdp.md#addresses
//# Of several connections of a line the first MUST be used and no other one passed on.
/// Puts the gateway's address in place of the line's own, or there if the session's is another.
fn place_connection(media: &mut MediaDescription, local: IpAddr, shown: Option<IpAddr>) {
    keep_first_connection(media);
    let own = media.lines.iter_mut().find(|line| line.kind() == Some(b'c'));
    if let Some(line) = own {
        replace_connection(line, local);
        return;
    }
    if shown.is_some_and(|shown| shown == local || shown.is_unspecified()) {
        return;
    }
    let after = media.lines.iter().take_while(|line| matches!(line.kind(), Some(b'm' | b'i')));
    let place = after.count();
    if let Some(line) = place.checked_sub(1).and_then(|before| media.lines.get_mut(before)) {
        line.finish();
    }
    media.lines.insert(place, Line::new(&format!("c={}", connection_line(local))));
}

/// Several are for layers that are sent to groups (RFC 8866 §5.7): each but the first would show
/// where its author is.
fn keep_first_connection(media: &mut MediaDescription) {
    let mut has_one = false;
    media.lines.retain(|line| {
        let is_first = line.kind() == Some(b'c') && !has_one;
        has_one |= is_first;
        is_first || line.resembles_kind(b'c').is_none()
    });
}

//= tests/spec/sdp.md#hold
//# An address that is nowhere MUST be passed on as one, in the family of the other side.
fn replace_connection(line: &mut Line, local: IpAddr) {
    let said = line.value().and_then(Connection::parse);
    let is_nowhere = said.is_some_and(Connection::is_nowhere);
    let address = if is_nowhere { nowhere(Connection::At(local).family()) } else { local };
    line.replace(&format!("c={}", connection_line(address)));
}

/// The user's name may be in any character set.
fn replace_origin(line: &mut Line, local: IpAddr) {
    let value = line.octets().get(2..).unwrap_or_default();
    let fields = value.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let said: Vec<&[u8]> = fields.take(3).collect();
    let shown = format!("IN {} {local}", kind(local));
    if said.len() == 3 {
        let text = [b"o=", said.join(&b' ').as_slice(), b" ", shown.as_bytes()].concat();
        line.replace_octets(&text);
    }
}

fn is_of_path(line: &Line) -> bool {
    OF_PATH.iter().any(|name| line.resembles(name))
}

fn is_of_keys(line: &Line) -> bool {
    line.resembles_kind(b'k').is_some() || OF_KEYS.iter().any(|name| line.resembles(name))
}

/// Streams that would share a port, which the gateway does not do (RFC 9143).
fn is_bundle(line: &Line) -> bool {
    let is_group = line.is_attribute("group");
    is_group && line.attribute().is_some_and(|(_, value)| value.trim().starts_with("BUNDLE"))
}
