//! `agwctl contexts`.

use agw_iq::client::{CallError, IqClient};
use agw_iq::pb;

use crate::cli::{Contexts, Reach};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::{AdoptedView, ContextView, ContextsView, RemovedView, TerminationView};

pub(crate) async fn run(contexts: Contexts, reach: &Reach, output: Output) -> Result<(), Failure> {
    match contexts {
        Contexts::List { correlation, orphans } => list(correlation, orphans, reach, output).await,
        Contexts::Adopt { ids, of } => adopt(ids, of, reach, output).await,
        Contexts::Show { id } => show(id, reach, output).await,
        Contexts::Diff { file } => super::diff::run(&file, reach, output).await,
        Contexts::Rm { id, generation, stream: None } => {
            remove(id, generation, reach, output).await
        }
        Contexts::Rm { id, generation, stream: Some(stream) } => {
            remove_stream((id, stream), generation, reach, output).await
        }
    }
}

async fn list(
    correlation: Option<String>,
    orphans: bool,
    reach: &Reach,
    output: Output,
) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let correlation = correlation.unwrap_or_default();
    let contexts = gateway.ask("contexts list", |client| every_page(client, &correlation)).await?;
    let contexts = contexts.into_iter().filter(|context| !orphans || context.orphaned.is_some());
    let contexts = contexts.map(ContextView::from).collect();
    output.show(&ContextsView { contexts }, ContextsView::tables)
}

async fn adopt(
    ids: Vec<u32>,
    of: Option<String>,
    reach: &Reach,
    output: Output,
) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let ask = async |client: &IqClient| match &of {
        Some(controller) => client.adopt_orphans_of(controller).await,
        None => client.adopt(ids).await,
    };
    let context_ids = gateway.ask("contexts adopt", ask).await?;
    output.show(&AdoptedView { context_ids }, AdoptedView::text)
}

async fn every_page(
    client: &IqClient,
    correlation: &str,
) -> Result<Vec<pb::ContextInfo>, CallError> {
    let mut request = pb::AuditValueRequest {
        correlation_id: correlation.to_owned(),
        page_size: 1_000,
        ..pb::AuditValueRequest::default()
    };
    let mut contexts = Vec::new();
    loop {
        let page = client.audit(request.clone()).await?;
        contexts.extend(page.contexts);
        if page.next_page_token.is_empty() {
            return Ok(contexts);
        }
        request.page_token = page.next_page_token;
    }
}

async fn show(id: u32, reach: &Reach, output: Output) -> Result<(), Failure> {
    let gateway = Connection::open(reach).await?;
    let context = one("contexts show", id, &gateway).await?;
    output.show(&context, ContextView::tables)
}

/// One context with its counters.
pub(super) async fn one(what: &str, id: u32, gateway: &Connection) -> Result<ContextView, Failure> {
    refuse_zero(what, id)?;
    let request = pb::AuditValueRequest {
        context_id: id,
        include_statistics: true,
        ..pb::AuditValueRequest::default()
    };
    let answer = gateway.ask(what, |client| client.audit(request)).await?;
    let context = answer.contexts.into_iter().next().map(ContextView::from);
    context.ok_or_else(|| Failure::usage(what, "the gateway's answer is empty"))
}

async fn remove(
    id: u32,
    expected_generation: u64,
    reach: &Reach,
    output: Output,
) -> Result<(), Failure> {
    refuse_zero("contexts rm", id)?;
    let gateway = Connection::open(reach).await?;
    let release = pb::Release { context_id: id, termination_id: 0, expected_generation };
    let released = gateway.ask("contexts rm", |client| client.release(release)).await?;
    output.show(&RemovedView::from(released), RemovedView::tables)
}

/// Takes a stream from every termination that has it; the context is as it was looked at, or as it
/// is said to be.
async fn remove_stream(
    (context_id, stream): (u32, u32),
    generation: u64,
    reach: &Reach,
    output: Output,
) -> Result<(), Failure> {
    let what = "contexts rm --stream";
    let gateway = Connection::open(reach).await?;
    let context = one(what, context_id, &gateway).await?;
    let expected_generation = if generation == 0 { context.generation } else { generation };
    let has_it = |one: &&TerminationView| one.streams.iter().any(|found| found.stream_id == stream);
    let configure = |one: &TerminationView| {
        pb::command::Command::Configure(pb::Configure {
            context_id,
            termination_id: one.termination_id,
            remove_stream_ids: vec![stream],
            expected_generation,
            ..pb::Configure::default()
        })
    };
    let commands: Vec<_> = context.terminations.iter().filter(has_it).map(configure).collect();
    if commands.is_empty() {
        return Err(Failure::usage(what, format!("no termination has stream {stream}")));
    }
    let replies = gateway.ask(what, |client| client.transact(commands)).await?;
    output.show(&RemovedView::of_streams(context_id, &replies), RemovedView::streams)
}

/// In the API, 0 would stand for every context, or for none.
fn refuse_zero(what: &str, id: u32) -> Result<(), Failure> {
    if id == 0 {
        return Err(Failure::usage(format!("{what}: ID"), "contexts are numbered from 1"));
    }
    Ok(())
}
