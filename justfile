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

# What needs more than Rust: root, grpcurl, buf, Helm, promtool, the clients' toolchains, nginx, HAProxy, Chromium
outside:
    cargo build --release --locked
    tests/supply.sh
    tests/deploy.sh
    tests/grpcurl.sh
    tests/cookbook.sh
    tests/metrics.sh
    tests/powercut.sh
    tests/clients.sh
    tests/polyglot.sh
    tests/proxies.sh
    npm --prefix clients/bridge ci --no-fund --no-audit
    npm --prefix clients/bridge run check-dist
    npm --prefix clients/bridge test
    npm --prefix clients/web ci --no-fund --no-audit
    npm --prefix clients/web test
    npm --prefix clients/web run build
    npm --prefix tests/browser ci --no-fund --no-audit
    tests/web.sh
    tests/callbacks.sh

# The images, built, and the chart on a cluster for tests: KUBECONFIG names it, LOAD_IMAGE puts an image on its node
kubernetes:
    tests/kubernetes.sh

# The protos of a commit as target/smile-relay-proto-VERSION.tar.gz: the same bytes for the same commit
proto-archive commit="HEAD":
    #!/usr/bin/env bash
    set -euo pipefail
    hash=$(git rev-parse --verify '{{commit}}^{commit}')
    archive=target/smile-relay-proto-$(git describe --tags --always --abbrev=12 "$hash").tar.gz
    mkdir -p target
    # Of a commit, so that all times are the commit's. Nobody's own configuration of git has a say.
    git -c tar.umask=0022 -c core.autocrlf=false -c core.eol=lf archive --format=tar --prefix=smile-relay-proto/ \
      --add-virtual-file="smile-relay-proto/README.md:The protos of smile-relay, of commit $hash. Their comments are the documentation."$'\n' \
      "$hash" buf.yaml proto | gzip -n9 > "$archive"
    sha256sum "$archive"
