//! Generates the Rust types and the client of `proto/` without protoc.
//!
//! No server is generated for `RelayService`: it answers with bytes that are encoded once and shared by all streams, which
//! generated servers, with their one message per item, can't (see `grpc/relay_service.rs`).

use std::{env, error::Error, fs, path::PathBuf, process::Command};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let services = ["service", "callback", "administration"].map(|name| format!("smilerelay/v1/{name}.proto"));
    let descriptors = protox::compile(services, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("smilerelay.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .server_mod_attribute("smilerelay.v1.RelayService", "#[cfg(any())]")
        .bytes(".smilerelay.v1.Event.raw_body")
        .compile_fds(descriptors)?;
    // What the program says of itself.
    let rustc = Command::new(env::var("RUSTC")?).arg("--version").output()?.stdout;
    let version = String::from_utf8_lossy(&rustc).split_whitespace().nth(1).unwrap_or("unknown").to_owned();
    println!("cargo:rustc-env=SMILE_RELAY_RUSTC={version}");
    Ok(())
}
