//! What a controller says of calls that it may have forgotten, or that nobody has any more.

use super::{CallError, IqClient};
use crate::pb;

impl IqClient {
    /// Answers heartbeats; tells what the gateway does not know, or not as this controller's.
    ///
    /// # Errors
    /// [`CallError`] if the request is wrong or the gateway cannot answer.
    pub async fn confirm(
        &self,
        terminations: Vec<pb::TerminationConfirmation>,
    ) -> Result<Vec<pb::TerminationConfirmation>, CallError> {
        let request = self.request(pb::ConfirmTerminationsRequest { terminations });
        Ok(self.service().confirm_terminations(request).await?.into_inner().unknown)
    }

    /// Takes over contexts without a controller; tells which are this controller's now.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn adopt(&self, contexts: Vec<u32>) -> Result<Vec<u32>, CallError> {
        let (context_ids, orphans_of) = (contexts, String::new());
        let request = self.request(pb::AdoptContextsRequest { context_ids, orphans_of });
        Ok(self.service().adopt_contexts(request).await?.into_inner().context_ids)
    }

    /// Takes over all that a controller has left behind; tells which contexts are this
    /// controller's now.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn adopt_orphans_of(&self, controller: &str) -> Result<Vec<u32>, CallError> {
        let (context_ids, orphans_of) = (Vec::new(), controller.to_owned());
        let request = self.request(pb::AdoptContextsRequest { context_ids, orphans_of });
        Ok(self.service().adopt_contexts(request).await?.into_inner().context_ids)
    }
}
