//! The `agwd` binary; everything is in the library.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed: keys come through buffers of HTTP/2, TLS and protobuf, which
/// no code of ours ever holds. The packet path frees nothing, so it pays nothing.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    agwd::cli::main()
}
