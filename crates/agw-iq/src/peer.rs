//! Who is at the other end of a connection.

use agw_context::Controller;
use tonic::Extensions;

/// The authenticated peer of a connection; whoever accepts connections puts it into the
/// extensions of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// The identity in its certificate, or a local user.
    pub controller: Controller,
}

impl ConnectedPeer {
    /// The controller of a request: the authenticated one, else the operator at this machine.
    pub(crate) fn controller(extensions: &Extensions) -> Controller {
        extensions.get::<Self>().map_or_else(Controller::local, |peer| peer.controller.clone())
    }
}
