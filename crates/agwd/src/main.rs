//! The `agwd` binary; everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed: keys come through buffers of HTTP/2, TLS and protobuf, which
/// no code of ours ever holds. The packet path frees nothing, so it pays nothing. Control makes and
/// frees a great many small things, which mimalloc does at two thirds of the processor time.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    agwd::cli::main()
}
