//! Session parameters: what follows the keys on a crypto line (RFC 4568 §6.3).

use agw_srtp::{SessionParameters, Suite};

use crate::Mode;
use crate::decimal::number;
use crate::error::{Field, Rule, SdesError};
use crate::key::{InlineKey, MAX_PRINTED_KEY, check_keys, parse_keys};

/// The smallest window of RFC 3711 §3.3.2 and RFC 4568 §6.3.6, in packets.
const MIN_WINDOW: u32 = 64;
/// More than the longest name and value without keys.
const MAX_PRINTED_PARAMETER: usize = 32;

/// A session parameter of SRTP (RFC 4568 §6.3).
///
/// Unknown parameters with a leading `-` must be ignored (§6.3.7) and are not kept.
#[derive(Debug)]
pub enum SessionParameter {
    /// `KDR=n`: new session keys every 2^n packets, n from 1 to 24; declarative (§6.3.1).
    KeyDerivationRate(u8),
    /// `UNENCRYPTED_SRTP`: SRTP payloads in clear; negotiated (§6.3.2).
    UnencryptedSrtp,
    /// `UNENCRYPTED_SRTCP`: SRTCP packets in clear; negotiated (§6.3.2).
    UnencryptedSrtcp,
    /// `UNAUTHENTICATED_SRTP`: SRTP packets without tag; negotiated (§6.3.3).
    UnauthenticatedSrtp,
    /// `FEC_ORDER=`: how forward error correction and SRTP are nested; declarative (§6.3.4).
    FecOrder(FecOrder),
    /// `FEC_KEY=`: keys of a separate stream for error correction; declarative (§6.3.5).
    FecKey(Vec<InlineKey>),
    /// `WSH=n`: a hint at the sender's reordering, at least 64 packets; declarative (§6.3.6).
    WindowSizeHint(u32),
}

/// The order of forward error correction and SRTP at the sender (RFC 4568 §6.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FecOrder {
    /// Error correction first, then SRTP; the default.
    FecSrtp,
    /// SRTP first, then error correction.
    SrtpFec,
}

impl SessionParameter {
    /// The name as it is registered.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::KeyDerivationRate(_) => "KDR",
            Self::UnencryptedSrtp => "UNENCRYPTED_SRTP",
            Self::UnencryptedSrtcp => "UNENCRYPTED_SRTCP",
            Self::UnauthenticatedSrtp => "UNAUTHENTICATED_SRTP",
            Self::FecOrder(_) => "FEC_ORDER",
            Self::FecKey(_) => "FEC_KEY",
            Self::WindowSizeHint(_) => "WSH",
        }
    }

    /// The keys inside, if it is a `FEC_KEY`.
    pub(crate) fn keys(&self) -> &[InlineKey] {
        match self {
            Self::FecKey(keys) => keys,
            Self::KeyDerivationRate(_)
            | Self::UnencryptedSrtp
            | Self::UnencryptedSrtcp
            | Self::UnauthenticatedSrtp
            | Self::FecOrder(_)
            | Self::WindowSizeHint(_) => &[],
        }
    }

    /// An upper bound of what [`Self::expose_on`] appends, in octets.
    pub(crate) fn printed_bound(&self) -> usize {
        MAX_PRINTED_PARAMETER + self.keys().len() * MAX_PRINTED_KEY
    }

    /// Appends the parameter; `line` must have room for it.
    pub(crate) fn expose_on(&self, line: &mut String) {
        line.push_str(self.name());
        match self {
            Self::UnencryptedSrtp | Self::UnencryptedSrtcp | Self::UnauthenticatedSrtp => {}
            Self::KeyDerivationRate(exponent) => line.push_str(&format!("={exponent}")),
            Self::WindowSizeHint(packets) => line.push_str(&format!("={packets}")),
            Self::FecOrder(FecOrder::FecSrtp) => line.push_str("=FEC_SRTP"),
            Self::FecOrder(FecOrder::SrtpFec) => line.push_str("=SRTP_FEC"),
            Self::FecKey(keys) => {
                line.push('=');
                expose_keys(keys, line);
            }
        }
    }

    /// Whether the value is one that the grammar can express.
    fn check(&self, suite: Suite) -> Result<(), SdesError> {
        match self {
            Self::KeyDerivationRate(1..=24) => Ok(()),
            Self::KeyDerivationRate(_) => Err(refused(Rule::KeyDerivationRate)),
            Self::WindowSizeHint(packets) if *packets < MIN_WINDOW => {
                Err(refused(Rule::WindowSizeHint))
            }
            Self::FecKey(keys) => check_keys(keys, suite).map_err(|error| refused(error.rule)),
            Self::UnencryptedSrtp
            | Self::UnencryptedSrtcp
            | Self::UnauthenticatedSrtp
            | Self::FecOrder(_)
            | Self::WindowSizeHint(_) => Ok(()),
        }
    }
}

/// Appends `inline:…;inline:…`; `line` must have room for it.
pub(crate) fn expose_keys(keys: &[InlineKey], line: &mut String) {
    for (position, key) in keys.iter().enumerate() {
        if position > 0 {
            line.push(';');
        }
        key.expose_on(line);
    }
}

/// A parameter as read: one to keep, or one that means nothing.
pub(crate) enum Reading {
    Parameter(SessionParameter),
    /// `KDR=0`, which §9.2 allows and §6.3.1 does not know: the default, no derivation rate.
    DefaultRate,
    /// `-…`, for others (§6.3.7).
    Ignored,
}

impl Reading {
    /// The registered name, by which repetition is recognised.
    pub(crate) const fn name(&self) -> Option<&'static str> {
        match self {
            Self::Parameter(parameter) => Some(parameter.name()),
            Self::DefaultRate => Some("KDR"),
            Self::Ignored => None,
        }
    }

    pub(crate) fn parse(text: &str, suite: Suite, mode: Mode) -> Result<Self, SdesError> {
        if text.starts_with('-') {
            //= tests/spec/sdes.md#session-parameters
            //# An unknown session parameter that starts with a hyphen MUST be ignored.
            return Ok(Self::Ignored);
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        let parameter = match value {
            None if is("UNENCRYPTED_SRTP") => SessionParameter::UnencryptedSrtp,
            None if is("UNENCRYPTED_SRTCP") => SessionParameter::UnencryptedSrtcp,
            None if is("UNAUTHENTICATED_SRTP") => SessionParameter::UnauthenticatedSrtp,
            Some(value) if is("KDR") => match key_derivation_rate(value)? {
                Some(exponent) => SessionParameter::KeyDerivationRate(exponent),
                None => return Ok(Self::DefaultRate),
            },
            Some(value) if is("FEC_ORDER") => SessionParameter::FecOrder(fec_order(value)?),
            Some(value) if is("FEC_KEY") => SessionParameter::FecKey(
                parse_keys(value, suite, mode).map_err(|error| refused(error.rule))?,
            ),
            Some(value) if is("WSH") => {
                SessionParameter::WindowSizeHint(window_size_hint(value, mode)?)
            }
            //= tests/spec/sdes.md#session-parameters
            //# An unknown session parameter MUST make the line invalid.
            None | Some(_) => return Err(refused(Rule::UnknownParameter)),
        };
        Ok(Self::Parameter(parameter))
    }
}

/// The rules for the parameters that stand together.
pub(crate) fn check_parameters(
    parameters: &[SessionParameter],
    suite: Suite,
) -> Result<(), SdesError> {
    let mut names: Vec<&str> = Vec::with_capacity(parameters.len());
    for parameter in parameters {
        parameter.check(suite)?;
        if names.contains(&parameter.name()) {
            return Err(refused(Rule::RepeatedParameter));
        }
        names.push(parameter.name());
    }
    Ok(())
}

/// What the SRTP engine is told; the window hint is honoured between 64 and 4096 packets.
pub(crate) fn for_engine(parameters: &[SessionParameter]) -> SessionParameters {
    let mut session = SessionParameters::default();
    for parameter in parameters {
        match parameter {
            SessionParameter::UnencryptedSrtp => session.unencrypted_srtp = true,
            SessionParameter::UnencryptedSrtcp => session.unencrypted_srtcp = true,
            SessionParameter::WindowSizeHint(packets) => {
                let window = u16::try_from(*packets).unwrap_or(u16::MAX);
                let (least, most) = (SessionParameters::MIN_WINDOW, SessionParameters::MAX_WINDOW);
                session.window = window.clamp(least, most);
            }
            // The first is the default; `Refusal` keeps the others away from here.
            SessionParameter::FecOrder(_)
            | SessionParameter::KeyDerivationRate(_)
            | SessionParameter::UnauthenticatedSrtp
            | SessionParameter::FecKey(_) => {}
        }
    }
    session
}

const fn refused(rule: Rule) -> SdesError {
    SdesError::new(Field::SessionParameter, rule)
}

fn key_derivation_rate(value: &str) -> Result<Option<u8>, SdesError> {
    match number(value).and_then(|exponent| u8::try_from(exponent).ok()) {
        Some(0) => Ok(None),
        Some(exponent @ 1..=24) => Ok(Some(exponent)),
        Some(_) | None => Err(refused(Rule::KeyDerivationRate)),
    }
}

fn fec_order(value: &str) -> Result<FecOrder, SdesError> {
    if value.eq_ignore_ascii_case("FEC_SRTP") {
        return Ok(FecOrder::FecSrtp);
    }
    if value.eq_ignore_ascii_case("SRTP_FEC") {
        return Ok(FecOrder::SrtpFec);
    }
    Err(refused(Rule::FecOrder))
}

fn window_size_hint(value: &str, mode: Mode) -> Result<u32, SdesError> {
    match (number(value), mode) {
        (Some(packets), _) if packets >= MIN_WINDOW => Ok(packets),
        (Some(_), Mode::Tolerant) => Ok(MIN_WINDOW),
        //= tests/spec/sdes.md#session-parameters
        //# In strict mode a window size hint below 64 MUST make the line invalid.
        (Some(_), Mode::Strict) | (None, _) => Err(refused(Rule::WindowSizeHint)),
    }
}
