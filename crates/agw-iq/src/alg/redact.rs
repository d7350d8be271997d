//! Keys in session descriptions: `Debug` without them, and their wiping.

use std::fmt;

use zeroize::Zeroize;

use super::pb;
use crate::redact::Secret;
use crate::wipe::Wipe;

impl fmt::Debug for pb::OfferRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction_id, dialogue, sdp, offerer, answerer, rekey, priority } = self;
        f.debug_struct("OfferRequest")
            .field("transaction_id", transaction_id)
            .field("dialogue", dialogue)
            .field("sdp", &Secret(sdp.len()))
            .field("offerer", offerer)
            .field("answerer", answerer)
            .field("rekey", rekey)
            .field("priority", priority)
            .finish()
    }
}

impl fmt::Debug for pb::OfferResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, sdp, context_id, streams } = self;
        f.debug_struct("OfferResponse")
            .field("gateway", gateway)
            .field("sdp", &Secret(sdp.len()))
            .field("context_id", context_id)
            .field("streams", streams)
            .finish()
    }
}

impl fmt::Debug for pb::AnswerRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transaction_id, dialogue, sdp, status } = self;
        f.debug_struct("AnswerRequest")
            .field("transaction_id", transaction_id)
            .field("dialogue", dialogue)
            .field("sdp", &Secret(sdp.len()))
            .field("status", status)
            .finish()
    }
}

impl fmt::Debug for pb::AnswerResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, sdp, context_id, streams, rekey_advised } = self;
        f.debug_struct("AnswerResponse")
            .field("gateway", gateway)
            .field("sdp", &Secret(sdp.len()))
            .field("context_id", context_id)
            .field("streams", streams)
            .field("rekey_advised", rekey_advised)
            .finish()
    }
}

impl Wipe for pb::OfferRequest {
    fn wipe(&mut self) {
        self.sdp.zeroize();
    }
}

impl Wipe for pb::AnswerRequest {
    fn wipe(&mut self) {
        self.sdp.zeroize();
    }
}

impl Wipe for pb::RejectRequest {
    fn wipe(&mut self) {}
}

impl Wipe for pb::DeleteRequest {
    fn wipe(&mut self) {}
}
