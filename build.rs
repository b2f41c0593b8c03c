//! Generates the Rust types and the client of `proto/` without protoc.
//!
//! Only the client is generated: the server's side answers with bytes that are encoded once and shared by all streams,
//! which generated servers, with their one message per item, can't (see `grpc/relay_service.rs`).

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["smilerelay/v1/service.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("smilerelay.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_server(false)
        .bytes(".smilerelay.v1.Event.raw_body")
        .compile_fds(descriptors)?;
    Ok(())
}
