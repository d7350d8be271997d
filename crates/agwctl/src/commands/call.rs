//! `agwctl call add`.

use std::path::Path;

use super::contexts::one;
use crate::call_file::{parse_call, parse_crypto_lines, read};
use crate::cli::{AddCall, Reach};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::spec::{CallSpec, Standing};
use crate::view::AddedView;

/// Adds a call: options beat the crypto file, the crypto file beats the call file.
pub(crate) async fn add(mut call: AddCall, reach: &Reach, output: Output) -> Result<(), Failure> {
    let (file, crypto_file) = (call.file.take(), call.crypto_file.take());
    let call_that_stands = call.to.take();
    if [&file, &crypto_file].iter().all(|path| path.as_deref() == Some(Path::new("-"))) {
        let rule = "only one of --file and --crypto-file can be standard input";
        return Err(Failure::usage("call add", rule));
    }
    let spec = call
        .into_spec()
        .or(from_file(crypto_file.as_deref(), parse_crypto_lines)?)
        .or(from_file(file.as_deref(), parse_call)?);

    let (gateway, stream) = (Connection::open(reach).await?, spec.stream_id());
    let commands = match call_that_stands {
        None => spec.into_commands(),
        Some(id) => {
            if let Some(given) = spec.of_whole_call() {
                let rule = format!("{given} is for a new call");
                return Err(Failure::usage("call add --to", rule));
            }
            spec.into_stream_of(standing(id, &gateway).await?)
        }
    };
    let replies = gateway.ask("call add", |client| client.transact(commands)).await?;
    let added = AddedView::new(&replies, stream);
    let added =
        added.ok_or_else(|| Failure::usage("call add", "the gateway's answer is incomplete"))?;
    output.show(&added, AddedView::tables)
}

/// A call as it stands now, by its first two terminations.
async fn standing(id: u32, gateway: &Connection) -> Result<Standing, Failure> {
    let context = one("call add --to", id, gateway).await?;
    let mut terminations = context.terminations.iter().map(|one| one.termination_id);
    let (Some(access), Some(core)) = (terminations.next(), terminations.next()) else {
        return Err(Failure::usage("call add --to", "the context has two terminations at least"));
    };
    Ok(Standing {
        context_id: id,
        expected_generation: context.generation,
        terminations: [access, core],
    })
}

fn from_file(
    path: Option<&Path>,
    parse: impl Fn(&str, &str) -> Result<CallSpec, Failure>,
) -> Result<CallSpec, Failure> {
    let Some(path) = path else { return Ok(CallSpec::default()) };
    parse(&path.display().to_string(), &read(path)?)
}
