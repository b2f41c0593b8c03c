#!/usr/bin/env bash
# The package of every language against the real relay, through the same troubles. tests/polyglot says how.
#
#   tests/polyglot.sh                                    # all scenarios, all languages
#   tests/polyglot.sh --only cut,stop --language go,java
#   tests/polyglot.sh catchup [--events N]               # a benchmark instead
#   SMILE_RELAY_BIN=path tests/polyglot.sh               # another binary than target/release/smile-relay
#
# Needs Python 3.11, grpcurl, openssl, and the conformance programs; for `cut-network` root and iproute2 as well. It says
# what is missing, and what builds it.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
SMILE_RELAY_BIN=$(realpath -m "${SMILE_RELAY_BIN:-$(dirname "${BASH_SOURCE[0]}")/../target/release/smile-relay}")
export SMILE_RELAY_BIN
cd "$(dirname "${BASH_SOURCE[0]}")"

module=polyglot
if [ "${1:-}" = catchup ]; then
  shift
  module=polyglot.catchup
fi
exec python3 -m "$module" "$@"
