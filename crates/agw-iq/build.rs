//! Compiles `proto/agw` with protox, so that no `protoc` is needed on the machine.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 10] = [
    "agw/iq/v1/audit.proto",
    "agw/iq/v1/command.proto",
    "agw/iq/v1/crypto.proto",
    "agw/iq/v1/event.proto",
    "agw/iq/v1/group.proto",
    "agw/iq/v1/iq_service.proto",
    "agw/iq/v1/state.proto",
    "agw/iq/v1/statistics.proto",
    "agw/iq/v1/stream.proto",
    "agw/iq/v1/topology.proto",
];

/// The second API, whose messages use those of the first.
const ALG_FILES: [&str; 1] = ["agw/alg/v1/alg_service.proto"];

/// Messages that carry keys: their `Debug` is written by hand, in `src/redact.rs`.
const SECRET: [&str; 3] =
    [".agw.iq.v1.CryptoContext", ".agw.iq.v1.MasterKey", ".agw.iq.v1.StagedKey"];

/// The same of the second API: `src/alg/redact.rs`.
const ALG_SECRET: [&str; 4] = [
    ".agw.alg.v1.AnswerRequest",
    ".agw.alg.v1.AnswerResponse",
    ".agw.alg.v1.OfferRequest",
    ".agw.alg.v1.OfferResponse",
];

/// The package, and where its messages are in this crate.
const PACKAGE: &str = ".agw.iq.v1";
const PB: &str = "crate::pb";
/// Requests that the server takes as they come, and as what.
const TRANSACTIONS: [&str; 2] = ["TransactRequest", "TransactStreamRequest"];
const UNREAD: &str = "crate::UnreadTransaction";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    for file in FILES.iter().chain(&ALG_FILES) {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?;

    tonic_prost_build::configure()
        .build_server(false)
        .skip_debug(SECRET)
        .compile_fds(compiler.file_descriptor_set())?;

    // The server for itself, because it takes transactions unread: see `src/unread.rs`.
    let server = PathBuf::from(std::env::var("OUT_DIR")?).join("server");
    std::fs::create_dir_all(&server)?;
    let mut builder =
        tonic_prost_build::configure().build_client(false).out_dir(server).extern_path(PACKAGE, PB);
    for transaction in TRANSACTIONS {
        builder = builder.extern_path(format!("{PACKAGE}.{transaction}"), UNREAD);
    }
    builder.compile_fds(compiler.file_descriptor_set())?;

    compiler.open_files(ALG_FILES)?;
    // Written by hand: tonic-prost-build writes no descriptor set when it is given one.
    let descriptors = PathBuf::from(std::env::var("OUT_DIR")?).join("agw.bin");
    std::fs::write(descriptors, compiler.encode_file_descriptor_set())?;
    let alg = PathBuf::from(std::env::var("OUT_DIR")?).join("alg");
    std::fs::create_dir_all(&alg)?;
    tonic_prost_build::configure()
        .out_dir(alg)
        .extern_path(PACKAGE, PB)
        .skip_debug(ALG_SECRET)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
