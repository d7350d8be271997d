//! `agwctl why`.

use agw_iq::pb;

use crate::cli::Reach;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::WhyView;

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
    let answer = gateway.ask("why", |client| client.audit(request)).await?;
    let context = answer.contexts.first();
    let context = context.ok_or_else(|| Failure::unknown("why: CALL", "no such call"))?;
    output.show(&WhyView::from(context), WhyView::paragraphs)
}
