//! The transport of a media line.

/// The transport of a media line (RFC 8866 §5.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// RTP that this gateway can relay.
    Rtp(Profile),
    /// SRTP whose keys are made by DTLS (RFC 5764), which this gateway forwards only.
    Dtls,
    /// Anything else.
    Other,
}

/// An RTP profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Profile {
    /// SRTP (RFC 3711): the S of SAVP.
    pub(crate) secured: bool,
    /// Early feedback (RFC 4585): the F of AVPF.
    pub(crate) feedback: bool,
}

impl Protocol {
    pub(crate) fn parse(text: &str) -> Self {
        let table = [
            ("RTP/AVP", false, false),
            ("RTP/AVPF", false, true),
            ("RTP/SAVP", true, false),
            ("RTP/SAVPF", true, true),
        ];
        let known = table.into_iter().find(|(name, ..)| name.eq_ignore_ascii_case(text));
        match known {
            Some((_, secured, feedback)) => Self::Rtp(Profile { secured, feedback }),
            None if text.to_ascii_uppercase().starts_with("UDP/TLS/RTP/SAVP") => Self::Dtls,
            None => Self::Other,
        }
    }
}

impl Profile {
    pub(crate) const fn name(self) -> &'static str {
        match (self.secured, self.feedback) {
            (false, false) => "RTP/AVP",
            (false, true) => "RTP/AVPF",
            (true, false) => "RTP/SAVP",
            (true, true) => "RTP/SAVPF",
        }
    }
}
