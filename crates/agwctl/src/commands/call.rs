//! `agwctl call add`.

use std::path::Path;

use crate::call_file::{parse_call, parse_crypto_lines, read};
use crate::cli::{AddCall, Reach};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::spec::CallSpec;
use crate::view::AddedView;

/// Adds a call: options beat the crypto file, the crypto file beats the call file.
pub(crate) async fn add(mut call: AddCall, reach: &Reach, output: Output) -> Result<(), Failure> {
    let (file, crypto_file) = (call.file.take(), call.crypto_file.take());
    if [&file, &crypto_file].iter().all(|path| path.as_deref() == Some(Path::new("-"))) {
        let rule = "only one of --file and --crypto-file can be standard input";
        return Err(Failure::usage("call add", rule));
    }
    let spec = call
        .into_spec()
        .or(from_file(crypto_file.as_deref(), parse_crypto_lines)?)
        .or(from_file(file.as_deref(), parse_call)?);

    let gateway = Connection::open(reach).await?;
    let replies = gateway.ask("call add", |client| client.transact(spec.into_commands())).await?;
    let added = AddedView::new(&replies);
    let added =
        added.ok_or_else(|| Failure::usage("call add", "the gateway's answer is incomplete"))?;
    output.show(&added, AddedView::tables)
}

fn from_file(
    path: Option<&Path>,
    parse: impl Fn(&str, &str) -> Result<CallSpec, Failure>,
) -> Result<CallSpec, Failure> {
    let Some(path) = path else { return Ok(CallSpec::default()) };
    parse(&path.display().to_string(), &read(path)?)
}
