//! What happens in a call that forks.

/// Who begins something in a dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Caller,
    Callee,
}

/// What happens in the dialogue of a callee.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// The callee answers the first offer or, if it has done so, repeats its answer.
    Answer,
    /// Somebody offers.
    Offer(Who, Changes),
    /// The offer is answered.
    Accept(Changes),
    /// The offer is rejected, and the gateway is told or not.
    Reject { told: bool },
    /// Somebody ends it.
    End(Who),
}

/// What somebody changes who offers or answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changes {
    pub(crate) moves: bool,
    pub(crate) rekeys: bool,
    pub(crate) holds: bool,
    /// To the other address family: the offerer goes, or its peer is asked to.
    pub(crate) family: Option<Who>,
}
