//! Wiping the keys of a message.

use zeroize::Zeroize;

use crate::pb;

/// A message that can carry keys.
pub trait Wipe {
    /// Overwrites every key, salt and `a=crypto` text in it, and leaves them empty.
    fn wipe(&mut self);
}

/// A message that wipes its keys when it goes out of scope.
pub(crate) struct Wiped<M: Wipe>(pub(crate) M);

impl<M: Wipe> Drop for Wiped<M> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<M: Wipe> Wipe for Vec<M> {
    fn wipe(&mut self) {
        self.iter_mut().for_each(M::wipe);
    }
}

impl<M: Wipe> Wipe for Option<M> {
    fn wipe(&mut self) {
        self.iter_mut().for_each(M::wipe);
    }
}

impl Wipe for pb::MasterKey {
    fn wipe(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl Wipe for pb::CryptoContext {
    fn wipe(&mut self) {
        self.sdes_line.zeroize();
        self.keys.wipe();
    }
}

impl Wipe for pb::StagedKey {
    fn wipe(&mut self) {
        self.sdes_line.zeroize();
        self.key.wipe();
    }
}

impl Wipe for pb::Stream {
    fn wipe(&mut self) {
        self.ingress_crypto.wipe();
        self.egress_crypto.wipe();
    }
}

impl Wipe for pb::StreamChange {
    fn wipe(&mut self) {
        self.ingress_crypto.wipe();
        self.egress_crypto.wipe();
    }
}

impl Wipe for pb::Reserve {
    fn wipe(&mut self) {
        self.streams.wipe();
    }
}

impl Wipe for pb::Configure {
    fn wipe(&mut self) {
        self.streams.wipe();
        self.add_streams.wipe();
    }
}

impl Wipe for pb::SetGroup {
    fn wipe(&mut self) {
        self.ingress_crypto.wipe();
        self.egress_crypto.wipe();
    }
}

impl Wipe for pb::StageKey {
    fn wipe(&mut self) {
        match &mut self.key {
            Some(
                pb::stage_key::Key::IngressCrypto(key) | pb::stage_key::Key::EgressCrypto(key),
            ) => {
                key.wipe();
            }
            None => {}
        }
    }
}

impl Wipe for pb::Command {
    fn wipe(&mut self) {
        use pb::command::Command as Kind;
        match &mut self.command {
            Some(Kind::Reserve(command)) => command.wipe(),
            Some(Kind::Configure(command)) => command.wipe(),
            Some(Kind::StageKey(command)) => command.wipe(),
            Some(Kind::SetGroup(command)) => command.wipe(),
            Some(
                Kind::ChangeThroughConnection(_)
                | Kind::SetTopology(_)
                | Kind::Release(_)
                | Kind::ActivateKey(_)
                | Kind::CancelKey(_)
                | Kind::RemoveGroup(_),
            )
            | None => {}
        }
    }
}

/// Requests: those with keys hand on to the field that has them, the others have nothing to wipe.
macro_rules! requests {
    ($($request:ident $(: $field:ident)?),* $(,)?) => {
        $(impl Wipe for pb::$request {
            fn wipe(&mut self) {
                $(self.$field.wipe();)?
            }
        })*
    };
}

requests! {
    ReserveConnectionPointRequest: reserve,
    ReserveAndConfigureConnectionPointRequest: reserve,
    ConfigureConnectionPointRequest: configure,
    StageKeyRequest: stage_key,
    SetGroupRequest: set_group,
    TransactRequest: commands,
    ChangeThroughConnectionRequest,
    SetTopologyRequest,
    ReleaseRequest,
    ActivateKeyRequest,
    CancelKeyRequest,
    RemoveGroupRequest,
}
