#!/usr/bin/env bash
# The Wink Widget's callbacks, from pages in a real browser, by the bridge that the relay serves, to a subscriber.
# tests/browser/callbacks.test.mjs says what is tried. Takes the binary from SMILE_RELAY_BIN, the browser from CHROMIUM.
# Needs Node.js 20, Chromium, openssl, and grpcurl, which makes the tokens (.ci/run installs it).
set -euo pipefail
SMILE_RELAY_BIN=$(realpath -m "${SMILE_RELAY_BIN:-$(dirname "${BASH_SOURCE[0]}")/../target/release/smile-relay}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need() { # what, what installs it, test...
  local what=$1 installs=$2
  shift 2
  "$@" >/dev/null 2>&1 || { echo "$what is missing: $installs" >&2; exit 1; }
}
need "$SMILE_RELAY_BIN" "cargo build --release" test -x "$SMILE_RELAY_BIN"
need node "apt-get install nodejs (20 or newer)" command -v node
need openssl "apt-get install openssl" command -v openssl
need grpcurl "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3" command -v grpcurl
CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
need chromium "apt-get install chromium" test -x "$CHROMIUM"
need playwright-core "npm --prefix tests/browser ci" test -d tests/browser/node_modules/playwright-core

export SMILE_RELAY_BIN CHROMIUM
echo "--- $("$SMILE_RELAY_BIN" --version), $("$CHROMIUM" --version 2>/dev/null), node $(node --version)"
exec node --test-reporter=spec tests/browser/callbacks.test.mjs
