#!/usr/bin/env bash
# Streams and webhooks through nginx and HAProxy, configured as docs/proxies.md prints it. tests/proxies says how.
#
#   tests/proxies.sh                                     # everything, all languages
#   tests/proxies.sh --only cut,short --language go,java --proxy nginx
#   SMILE_RELAY_BIN=path tests/proxies.sh                # another binary than target/release/smile-relay
#
# Needs Python 3.11, nginx, haproxy, grpcurl, openssl, and the conformance programs: it says what is missing, and what
# installs or builds it.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
SMILE_RELAY_BIN=$(realpath -m "${SMILE_RELAY_BIN:-$(dirname "${BASH_SOURCE[0]}")/../target/release/smile-relay}")
export SMILE_RELAY_BIN
cd "$(dirname "${BASH_SOURCE[0]}")"
exec python3 -m proxies "$@"
