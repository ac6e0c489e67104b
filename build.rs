//! Compiles the contracts under `proto/` into Rust, without a `protoc` binary,
//! and keeps their descriptors (comments included) for server reflection.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const CONTRACTS: [&str; 8] = [
    "daybook/v1/analytics_service.proto",
    "daybook/v1/ingest_service.proto",
    "daybook/v1/ledger_service.proto",
    "daybook/v1/price_service.proto",
    "daybook/v1/status_service.proto",
    "daybook/v1/sync_service.proto",
    "daybook/v1/token_service.proto",
    "transactions_service/transactions_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=sql");
    let descriptors = protox::compile(CONTRACTS, ["proto"])?;
    let path = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(path, descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
