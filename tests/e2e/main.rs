//! End-to-end tests: the real daemon, real sockets, a controller over gRPC. A file for each
//! behaviour.
#![forbid(unsafe_code)]

#[cfg(test)]
mod audit;
#[cfg(test)]
mod deployment;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod events;
#[cfg(test)]
mod families;
#[cfg(test)]
mod far_end;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod keystream;
#[cfg(test)]
mod latching;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod mtls;
#[cfg(test)]
mod quality;
#[cfg(test)]
mod rekey;
#[cfg(test)]
mod release;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod rtcp;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod source_filter;
#[cfg(test)]
mod staged;
#[cfg(test)]
mod switching;
#[cfg(test)]
mod topology;
#[cfg(test)]
mod transactions;
#[cfg(test)]
mod transmit_guard;
#[cfg(test)]
mod transports;
