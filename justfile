# The commands that people type. `just` lists them.

default:
    @just --list

# Format, lint and test, as CI does
check:
    cargo fmt --check
    cargo clippy --locked -- -D warnings
    cargo clippy --all-targets --locked -- -D warnings -A clippy::pedantic
    cargo test --locked

# See it at work
demo:
    cargo run --release -- demo

# Figures beside their floors (10 minutes, two cores)
bench:
    cargo bench --bench relay
    cargo bench --bench decode

# Damaged bodies for a minute
fuzz:
    SMILE_RELAY_FUZZ_SECONDS=60 PROPTEST_CASES=5000 cargo test --test fuzz --locked -- --nocapture

# What needs root, grpcurl or buf
outside:
    tests/grpcurl.sh
    tests/powercut.sh
