//! `agwctl events`.

use std::time::Duration;

use agw_iq::client::CallError;

use crate::cli::{Events, Reach};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::EventView;

/// Kept events come at once; when none comes for so long, there are no more.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) async fn run(events: &Events, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    // Without --follow there is nothing to tell but what is kept.
    let after = if events.follow { events.after } else { Some(events.after.unwrap_or(0)) };
    // A gateway with nothing to tell yet does not answer either: that is no timeout.
    let subscription = gateway.client().events(after, events.epoch);
    let subscribed = if events.follow {
        subscription.await
    } else {
        match tokio::time::timeout(QUIET, subscription).await {
            Ok(subscribed) => subscribed,
            Err(_) => return Ok(()),
        }
    };
    let mut stream = subscribed.map_err(|error| Failure::call("events", error))?;
    loop {
        let message = stream.message();
        let answer = if events.follow {
            message.await
        } else {
            match tokio::time::timeout(QUIET, message).await {
                Ok(answer) => answer,
                Err(_) => return Ok(()),
            }
        };
        let told = answer.map_err(|status| Failure::call("events", CallError::from(status)))?;
        let Some(told) = told else { return Ok(()) };
        if let Some(event) = told.event {
            output.show_line(&EventView::from(event), EventView::line)?;
        }
    }
}
