//! Who is at the other end of a connection.

use std::fmt;

use agw_context::Controller;
use tonic::{Extensions, Status};

/// What a peer is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sees everything, changes nothing.
    Observer,
    /// Has contexts of its own, sees and changes these.
    Controller,
    /// Sees and changes everything, takes the gateway out of service.
    Operator,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observer => "observer",
            Self::Controller => "controller",
            Self::Operator => "operator",
        })
    }
}

/// The authenticated peer of a connection; whoever accepts connections puts it into the
/// extensions of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedPeer {
    /// The identity in its certificate, or a local user.
    pub controller: Controller,
    /// What it may do.
    pub role: Role,
}

impl ConnectedPeer {
    /// The operator at this machine.
    #[must_use]
    pub fn local() -> Self {
        Self { controller: Controller::local(), role: Role::Operator }
    }

    /// Whose contexts a request is about: the authenticated controller's own; all of them for an
    /// operator and for an observer.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` if whoever accepted the connection has not said who it is: nobody is
    /// anybody by default.
    pub(crate) fn controller(extensions: &Extensions) -> Result<Controller, Status> {
        match extensions.get::<Self>() {
            Some(Self { controller, role: Role::Controller }) => Ok(controller.clone()),
            Some(Self { controller: _, role: Role::Observer | Role::Operator }) => {
                Ok(Controller::local())
            }
            None => Err(Status::unauthenticated("the connection has no identity")),
        }
    }

    /// The role of whoever asks; none without an identity.
    pub(crate) fn role(extensions: &tonic::codegen::http::Extensions) -> Option<Role> {
        extensions.get::<Self>().map(|peer| peer.role)
    }
}
