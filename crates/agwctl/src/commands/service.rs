//! `agwctl service`.

use agw_iq::pb::ServiceChangeMethod;

use crate::cli::{Reach, Reason, Service};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::ServiceView;

pub(crate) async fn run(change: Service, reach: &Reach, output: Output) -> Result<(), Failure> {
    let (what, method, Reason { reason }) = match change {
        Service::Drain(reason) => ("service drain", ServiceChangeMethod::Graceful, reason),
        Service::Lock(reason) => ("service lock", ServiceChangeMethod::Forced, reason),
        Service::Restore(reason) => ("service restore", ServiceChangeMethod::Restart, reason),
    };
    let gateway = Connection::open(reach).await?;
    let changed = gateway.ask(what, |client| client.service_change(method, &reason)).await?;
    output.show(&ServiceView::from(changed), ServiceView::words)
}
