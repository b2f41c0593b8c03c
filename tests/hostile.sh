#!/usr/bin/env bash
# What strangers can do to the public listener, against the release build: tests/hostile says what is tried, and prints how
# fast, what good webhooks met meanwhile, and how much memory it took.
#
#   tests/hostile.sh                            # every attack
#   tests/hostile.sh rapid_reset                # one of them
#   SMILE_RELAY_BIN=path tests/hostile.sh       # another binary than target/release/smile-relay
#   HOSTILE_SECONDS=60 tests/hostile.sh         # each for longer than 5 s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SMILE_RELAY_BIN=$(realpath -m "${SMILE_RELAY_BIN:-target/release/smile-relay}")
[ -x "$SMILE_RELAY_BIN" ] || { echo "there is no $SMILE_RELAY_BIN: cargo build --release" >&2; exit 1; }
export SMILE_RELAY_BIN HOSTILE_SECONDS=${HOSTILE_SECONDS:-5}
exec cargo test --locked --quiet --test hostile -- --nocapture "$@"
