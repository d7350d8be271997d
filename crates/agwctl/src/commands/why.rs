//! `agwctl why`.

use std::time::Duration;

use agw_iq::pb;
use tokio::time::sleep;

use crate::cli::Reach;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::WhyView;

/// Long enough for fifty packets of voice.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Examines the call of a context's number or of a correlation id.
pub(crate) async fn run(call: &str, reach: &Reach, output: Output) -> Result<(), Failure> {
    let number = call.parse().ok().filter(|&number| number != 0);
    let request = pb::AuditValueRequest {
        context_id: number.unwrap_or_default(),
        correlation_id: if number.is_none() { call.to_owned() } else { String::new() },
        include_statistics: true,
        ..pb::AuditValueRequest::default()
    };
    let gateway = Connection::open(reach).await?;
    let before = look(&gateway, request.clone()).await?;
    sleep(BETWEEN_LOOKS).await;
    let now = look(&gateway, request).await?;
    output.show(&WhyView::of(&before, &now), WhyView::paragraphs)
}

async fn look(
    gateway: &Connection,
    request: pb::AuditValueRequest,
) -> Result<pb::ContextInfo, Failure> {
    let answer = gateway.ask("why", |client| client.audit(request)).await?;
    let context = answer.contexts.into_iter().next();
    context.ok_or_else(|| Failure::unknown("why: CALL", "no such call"))
}
