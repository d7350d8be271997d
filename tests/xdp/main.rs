//! The daemon on AF_XDP: what only this backend can do or suffer. What every backend must do is in
//! `e2e` and `interop`, which run on this one too.
#![forbid(unsafe_code)]

#[cfg(test)]
mod backends;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod links;
#[cfg(test)]
mod refusals;

#[cfg(test)]
use std::rc::Rc;

#[cfg(test)]
use agw_testkit::peer;
#[cfg(test)]
use agw_tests::{Side, Stage, stage};

/// The stage with both realms on AF_XDP; `None` was told as a skip.
#[cfg(test)]
fn on_stage(xdp: &[Side]) -> Option<Rc<Stage>> {
    let stage = stage::cast(xdp);
    if stage.is_none() {
        peer::skip("root");
    }
    stage
}
