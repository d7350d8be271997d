//! Attacks on the real daemon, by hosts in a network namespace of their own: a test, or some, for
//! each row of the table of threats; the test command prints the table.
//!
//! Media is attacked at rollover counters from 3 on: at 0 a guess of 0 is right by chance.
#![forbid(unsafe_code)]

#[cfg(test)]
mod absent;
#[cfg(test)]
mod amplification;
#[cfg(test)]
mod bursts;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod circles;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod constant_time;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod downgrade;
#[cfg(test)]
mod fencing;
#[cfg(test)]
mod fragments;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod icmp;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod key_reuse;
#[cfg(test)]
mod lengths;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod multiplexing;
#[cfg(test)]
mod ports;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod row;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod tags;
