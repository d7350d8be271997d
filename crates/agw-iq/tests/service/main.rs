//! The Iq service over a real connection, with a scripted gateway behind it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]
#![expect(clippy::type_complexity, reason = "tables of cases with a function each")]

mod admission;
mod alg;
mod compare;
mod discovery;
mod events;
mod fake;
mod generations;
mod groups;
mod keys;
mod procedures;
mod refusals;
mod reports;
mod retries;
mod secrets;
mod sent;
mod stream;
mod supervision;
