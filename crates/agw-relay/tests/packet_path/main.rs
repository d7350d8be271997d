//! The packet path through its public door: datagrams in, verdicts and octets out.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod alarms;
mod allocations;
mod batches;
mod crypto;
mod flows;
mod groups;
mod ledger;
mod policing;
mod pre_key;
mod returns;
mod rewriting;
mod sources;
mod support;
