//! Groups, and keys that wait.

use super::{CallError, IqClient};
use crate::pb;

impl IqClient {
    /// Makes, changes or re-keys a conference's group (TR 33.829 clause 5).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn set_group(&self, group: pb::SetGroup) -> Result<(), CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::SetGroupRequest { transaction_id, set_group: Some(group) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.set_group(request).await
        });
        answer.await.map(drop)
    }

    /// Ends a group that has no members.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn remove_group(
        &self,
        group: pb::RemoveGroup,
    ) -> Result<pb::ReleasedGroup, CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::RemoveGroupRequest { transaction_id, remove_group: Some(group) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.remove_group(request).await
        });
        answer.await?.group.ok_or_else(CallError::incomplete)
    }

    /// Brings a key that waits (RFC 4568 §7.1.4).
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn stage_key(&self, stage: pb::StageKey) -> Result<(), CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::StageKeyRequest { transaction_id, stage_key: Some(stage) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.stage_key(request).await
        });
        answer.await.map(drop)
    }

    /// Puts the staged key in force.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn activate_key(&self, activate: pb::ActivateKey) -> Result<(), CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::ActivateKeyRequest { transaction_id, activate_key: Some(activate) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.activate_key(request).await
        });
        answer.await.map(drop)
    }

    /// Discards the staged key.
    ///
    /// # Errors
    /// [`CallError`] says what is wrong; nothing changed then.
    pub async fn cancel_key(&self, cancel: pb::CancelKey) -> Result<(), CallError> {
        let transaction_id = self.transaction_id();
        let request = pb::CancelKeyRequest { transaction_id, cancel_key: Some(cancel) };
        let answer = self.transaction(request, |mut service, request| async move {
            service.cancel_key(request).await
        });
        answer.await.map(drop)
    }
}
