//! What an answer decides that its offer left open.

use agw_relay::Transport;

use crate::checks::invalid;
use crate::command::{Family, RtcpMode, SourcePolicy};
use crate::error::{CommandError, Reason};
use crate::held::Keys;
use crate::model::Stream;
use crate::transaction::Transaction;

/// What a peer's answer decides about a stream that was reserved before; the default decides
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LateChoice {
    /// Plain in place of secured, or the reverse, of a stream that never had a key (RFC 8643 §3.1).
    /// It then listens to whom its transport's safe default says, unless told otherwise.
    pub transport: Option<Transport>,
    /// Multiplexed RTCP in place of a port of its own, or the reverse, of a stream that was
    /// reserved with a pair of ports (RFC 5761 §5.1.1).
    pub rtcp: Option<RtcpMode>,
    /// Whether a stream that has or had a key may change its transport all the same: keys in force
    /// rest while it is plain and go on when it is secured again, as behind a fork whose callees
    /// answer differently (RFC 8643 §3.1). It is for who knows that a peer other than the one that
    /// was secured is heard, and never for one that asks for less.
    pub keys_rest: bool,
}

impl Transaction<'_, '_> {
    pub(crate) fn choose_late(
        &self,
        (realm, family): (usize, Family),
        stream: &mut Stream,
        late: LateChoice,
        field: &str,
    ) -> Result<(), CommandError> {
        let LateChoice { transport, rtcp, keys_rest } = late;
        if let Some(transport) = transport.filter(|transport| *transport != stream.transport) {
            self.check_protection(realm, transport, field)?;
            self.change_transport(family, stream, (transport, keys_rest), field)?;
        }
        if let Some(rtcp) = rtcp.filter(|rtcp| *rtcp != stream.rtcp) {
            //= tests/spec/iq.md#late-choices
            //# RTCP MUST change between a port of its own and that of RTP only where both are open.
            if rtcp == RtcpMode::Off || stream.rtcp_port.is_none() {
                let rule = "changes between a pair of ports and one, of a stream that has a pair";
                return Err(invalid(format!("{field}.rtcp"), rule, Reason::FieldValue));
            }
            stream.rtcp = rtcp;
        }
        Ok(())
    }

    //= tests/spec/iq.md#late-choices
    //# A stream that has or had a key MUST keep its transport, unless its keys are told to rest.
    fn change_transport(
        &self,
        family: Family,
        stream: &mut Stream,
        (transport, keys_rest): (Transport, bool),
        field: &str,
    ) -> Result<(), CommandError> {
        let never_keyed = |keys: &Keys| keys.fingerprints().next().is_none();
        let unkeyed = never_keyed(&stream.ingress_keys) && never_keyed(&stream.egress_keys);
        let is_free = keys_rest || unkeyed;
        let is_cut = |transport| transport != Transport::Transparent;
        let is_member = stream.extras.as_ref().is_some_and(|extras| extras.group.is_some());
        if !is_free || is_member || !is_cut(transport) || !is_cut(stream.transport) {
            let rule = "changes between plain and secured, of a stream that never had a key";
            return Err(invalid(format!("{field}.transport"), rule, Reason::FieldValue));
        }
        if let Some(extras) = &stream.extras {
            extras.check(field, family, transport, &self.gateway.policy)?;
        }
        stream.transport = transport;
        stream.source = SourcePolicy::default_of(transport);
        stream.latching = self.latching(stream.source);
        Ok(())
    }
}
