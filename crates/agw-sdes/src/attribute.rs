//! One crypto line: parsed, made, printed, and turned into what the SRTP engine installs.

use std::fmt;

use agw_srtp::{EgressKey, IngressKey, SessionParameters, Suite};
use zeroize::Zeroizing;

use crate::error::{Field, Rule, SdesError};
use crate::fields::Fields;
use crate::key::{InlineKey, MAX_PRINTED_KEY, check_keys, parse_keys};
use crate::parameter::{Reading, SessionParameter, check_parameters, expose_keys, for_engine};
use crate::policy::{Refusal, refuse_impossible};
use crate::suite_name::SuiteName;
use crate::{CryptoTag, Mode};

/// `a=crypto:`, a tag of nine digits and two blanks.
const PRINTED_HEAD: usize = 21;

/// One `a=crypto` attribute that keeps all rules of RFC 4568 §4 and §6.
#[derive(Debug)]
pub struct CryptoAttribute {
    tag: CryptoTag,
    suite: SuiteName,
    body: Body,
}

/// What follows the suite, as far as the suite is understood.
#[derive(Debug)]
enum Body {
    Keyed { suite: Suite, keys: Vec<InlineKey>, parameters: Vec<SessionParameter> },
    Opaque(OpaqueText),
}

/// Keys and parameters of a suite that this gateway does not know.
struct OpaqueText(Zeroizing<String>);

impl fmt::Debug for OpaqueText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpaqueText(redacted, {} octets)", self.0.len())
    }
}

impl CryptoAttribute {
    /// Reads a line: `a=crypto:…` or `crypto:…`, with or without its end of line.
    ///
    /// A suite that this gateway does not have is no error: the line is then
    /// [`SuiteName::Unsupported`], without keys.
    ///
    /// # Errors
    /// The first field that breaks a rule of RFC 4568, and the rule.
    pub fn parse(line: &str, mode: Mode) -> Result<Self, SdesError> {
        let mut fields = Fields::open(line, mode)?;
        let tag = fields.take().ok_or(SdesError::new(Field::Tag, Rule::Missing))?;
        let tag = CryptoTag::parse(tag, mode)?;
        let name = fields.take_suite()?;
        let name = SuiteName::parse(name).ok_or(SdesError::new(Field::Suite, Rule::SuiteForm))?;
        match name {
            SuiteName::Known(suite) => {
                let keys = parse_keys(fields.take_keys()?, suite, mode)?;
                let parameters = parse_parameters(fields, suite, mode)?;
                Self::new(tag, suite, keys, parameters)
            }
            //= tests/spec/sdes.md#names-of-suites
            //# A line with an unknown suite MUST NOT make the description invalid.
            SuiteName::Unsupported(_) => {
                let missing = SdesError::new(Field::KeyMethod, Rule::Missing);
                let text = fields.take_rest().filter(|text| text.contains(':')).ok_or(missing)?;
                let body = Body::Opaque(OpaqueText(Zeroizing::new(text.to_owned())));
                Ok(Self { tag, suite: name, body })
            }
        }
    }

    /// Puts a line together.
    ///
    /// # Errors
    /// The rule of RFC 4568 §6 that keys or parameters break; no rule depends on the tag.
    pub fn new(
        tag: CryptoTag,
        suite: Suite,
        keys: Vec<InlineKey>,
        parameters: Vec<SessionParameter>,
    ) -> Result<Self, SdesError> {
        check_keys(&keys, suite)?;
        check_parameters(&parameters, suite)?;
        let body = Body::Keyed { suite, keys, parameters };
        let attribute = Self { tag, suite: SuiteName::Known(suite), body };
        let keys: Vec<&InlineKey> = attribute.all_keys().collect();
        for (position, key) in keys.iter().enumerate() {
            if keys.iter().skip(position + 1).any(|other| key.is_same_key(other)) {
                return Err(SdesError::new(Field::KeyInfo, Rule::KeyRepeated));
            }
        }
        Ok(attribute)
    }

    /// Makes a line with one fresh key, the suite's default lifetime, no MKI and no parameters.
    ///
    /// `random` fills a buffer with unpredictable octets.
    ///
    /// # Errors
    /// [`Rule::KeyLength`] if the SRTP engine refuses the key.
    pub fn generate(
        tag: CryptoTag,
        suite: Suite,
        random: &mut impl FnMut(&mut [u8]),
    ) -> Result<Self, SdesError> {
        Self::new(tag, suite, vec![InlineKey::generate(suite, random)?], Vec::new())
    }

    /// The tag.
    pub const fn tag(&self) -> CryptoTag {
        self.tag
    }

    /// The suite.
    pub const fn suite(&self) -> &SuiteName {
        &self.suite
    }

    /// The suite, if this gateway has it.
    pub const fn known_suite(&self) -> Option<Suite> {
        match &self.body {
            Body::Keyed { suite, .. } => Some(*suite),
            Body::Opaque(_) => None,
        }
    }

    /// The keys in their order; none if the suite is unsupported.
    pub fn keys(&self) -> &[InlineKey] {
        match &self.body {
            Body::Keyed { keys, .. } => keys,
            Body::Opaque(_) => &[],
        }
    }

    /// The session parameters in their order; none if the suite is unsupported.
    pub fn parameters(&self) -> &[SessionParameter] {
        match &self.body {
            Body::Keyed { parameters, .. } => parameters,
            Body::Opaque(_) => &[],
        }
    }

    /// Whether any key here, also of `FEC_KEY`, is one of `other`; in constant time per pair.
    ///
    /// Every master key of a session description is unique, and an answer does not reuse the
    /// offer's (RFC 4568 §6.1, §7.1.2). Keys of unsupported suites are not compared.
    pub fn shares_key_with(&self, other: &Self) -> bool {
        self.all_keys().any(|key| other.has_key(key))
    }

    /// The line in canonical form, **with its keys**, without end of line.
    ///
    /// Names are in upper case, aliases replaced, base64 padded, fields separated by one blank.
    /// The text wipes itself; copies of it are the caller's matter.
    pub fn expose_line(&self) -> Zeroizing<String> {
        let mut line = Zeroizing::new(String::with_capacity(self.printed_bound()));
        line.push_str("a=crypto:");
        line.push_str(&self.tag.to_string());
        line.push(' ');
        line.push_str(self.suite.as_str());
        line.push(' ');
        match &self.body {
            Body::Opaque(text) => line.push_str(&text.0),
            Body::Keyed { keys, parameters, .. } => {
                expose_keys(keys, &mut line);
                for parameter in parameters {
                    line.push(' ');
                    parameter.expose_on(&mut line);
                }
            }
        }
        line
    }

    /// The keys and parameters that open what the author of this line sends.
    ///
    /// This converts what the gateway *can* do; whether it *may* is for [`crate::Policy::check`],
    /// before.
    ///
    /// # Errors
    /// An unsupported suite, or a parameter that no gateway policy can allow.
    pub fn into_ingress(self) -> Result<(Vec<IngressKey>, SessionParameters), Refusal> {
        let (keys, parameters) = self.into_parts()?;
        Ok((keys.into_iter().map(InlineKey::into_ingress).collect(), parameters))
    }

    /// The keys and parameters that seal what this gateway, as author of this line, sends.
    ///
    /// # Errors
    /// As [`Self::into_ingress`].
    pub fn into_egress(self) -> Result<(Vec<EgressKey>, SessionParameters), Refusal> {
        let (keys, parameters) = self.into_parts()?;
        Ok((keys.into_iter().map(InlineKey::into_egress).collect(), parameters))
    }

    pub(crate) fn has_key(&self, key: &InlineKey) -> bool {
        self.all_keys().any(|ours| ours.is_same_key(key))
    }

    fn all_keys(&self) -> impl Iterator<Item = &InlineKey> {
        let inside = self.parameters().iter().flat_map(SessionParameter::keys);
        self.keys().iter().chain(inside)
    }

    fn into_parts(self) -> Result<(Vec<InlineKey>, SessionParameters), Refusal> {
        refuse_impossible(&self)?;
        match self.body {
            Body::Keyed { keys, parameters, .. } => Ok((keys, for_engine(&parameters))),
            Body::Opaque(_) => Err(Refusal::UnsupportedSuite),
        }
    }

    /// So much room that printing never moves a key to another place of the heap.
    fn printed_bound(&self) -> usize {
        let head = PRINTED_HEAD + self.suite.as_str().len();
        let body = match &self.body {
            Body::Opaque(text) => text.0.len(),
            Body::Keyed { keys, parameters, .. } => {
                let parameters: usize = parameters.iter().map(|p| 1 + p.printed_bound()).sum();
                keys.len() * MAX_PRINTED_KEY + parameters
            }
        };
        head + body
    }
}

fn parse_parameters(
    mut fields: Fields<'_>,
    suite: Suite,
    mode: Mode,
) -> Result<Vec<SessionParameter>, SdesError> {
    let mut seen: Vec<&str> = Vec::new();
    let mut parameters = Vec::new();
    while let Some(text) = fields.take() {
        let reading = Reading::parse(text, suite, mode)?;
        if let Some(name) = reading.name() {
            if seen.contains(&name) {
                return Err(SdesError::new(Field::SessionParameter, Rule::RepeatedParameter));
            }
            seen.push(name);
        }
        match reading {
            Reading::Parameter(parameter) => parameters.push(parameter),
            Reading::DefaultRate | Reading::Ignored => {}
        }
    }
    Ok(parameters)
}
