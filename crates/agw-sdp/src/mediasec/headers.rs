//! The header fields of a message that media security is about.

use super::mechanism::{MechanismError, Room, SecurityMechanism};

/// A header field: name and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The name, in any case.
    pub name: String,
    /// The value, without the end of line.
    pub value: String,
}

impl Header {
    /// A header field.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned() }
    }

    fn is(&self, name: &str) -> bool {
        self.name.trim().eq_ignore_ascii_case(name)
    }
}

/// The mechanisms of all fields with a name, as far as the message has room for them.
pub(super) fn mechanisms(
    headers: &[Header],
    name: &str,
    room: &mut Room,
) -> Result<Vec<SecurityMechanism>, MechanismError> {
    let mut all = Vec::new();
    for header in headers.iter().filter(|header| header.is(name)) {
        all.extend(SecurityMechanism::parse_list_within(&header.value, room)?);
    }
    Ok(all)
}

//= tests/spec/sdp.md#registration
//# What the edge and the UE tell each other of media security MUST NOT reach the core.
/// Takes away what ends at the edge: media mechanisms, and the option tag `mediasec` of `Require`
/// and `Proxy-Require`. Mechanisms that protect signalling stay; fields that are left empty go, and
/// so do lists that cannot be read, and those beyond what a message may list.
pub fn strip_mediasec(headers: &mut Vec<Header>) {
    let mut room = Room::of_message();
    headers.retain_mut(|header| {
        let is_list = ["Security-Client", "Security-Server", "Security-Verify"];
        if is_list.iter().any(|name| header.is(name)) {
            let read = SecurityMechanism::parse_list_within(&header.value, &mut room);
            let Ok(mechanisms) = read else { return false };
            if !mechanisms.iter().any(SecurityMechanism::is_media) {
                return true;
            }
            let kept = mechanisms.iter().filter(|mechanism| !mechanism.is_media());
            header.value = kept.map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return !header.value.is_empty();
        }
        if header.is("Require") || header.is("Proxy-Require") {
            let tags: Vec<&str> = header.value.split(',').map(str::trim).collect();
            let kept = tags.iter().filter(|tag| !tag.eq_ignore_ascii_case("mediasec"));
            let kept: Vec<&str> = kept.copied().collect();
            if kept.len() != tags.len() {
                header.value = kept.join(", ");
            }
            return !header.value.is_empty();
        }
        true
    });
}
