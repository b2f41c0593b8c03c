#!/usr/bin/env bash
# Cuts the power under the real smile-relay: tests/powercut says what is promised, this runs all of it.
#
#   tests/powercut.sh                           # target/release/smile-relay, which has to be built already
#   SMILE_RELAY_BIN=path tests/powercut.sh      # another binary
#
# Needs root, for FUSE is mounted directly. Exits with 0 only if every scenario passed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
package=$root/tests/powercut
SMILE_RELAY_BIN=$(realpath -m "${SMILE_RELAY_BIN:-$root/target/release/smile-relay}")
export SMILE_RELAY_BIN

die() {
    echo "powercut.sh: $*" >&2
    exit 1
}

[[ $(id -u) == 0 ]] || die "has to be run as root, to mount FUSE file systems"
[[ -x $SMILE_RELAY_BIN ]] || die "no binary at $SMILE_RELAY_BIN: build it, or set SMILE_RELAY_BIN"

missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v setpriv >/dev/null || missing+=(util-linux)
command -v modprobe >/dev/null || [[ -e /dev/fuse ]] || missing+=(kmod)
if ((${#missing[@]})); then
    echo "+ apt-get install ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
if [[ ! -e /dev/fuse ]]; then
    modprobe fuse || true
    [[ -e /dev/fuse ]] || die "no /dev/fuse: the kernel has no FUSE, or the container was not given the device"
fi

target=${CARGO_TARGET_DIR:-$package/target}
echo "+ cargo build --release --locked --manifest-path $package/Cargo.toml"
CARGO_TARGET_DIR=$target cargo build --release --locked --manifest-path "$package/Cargo.toml"

run() {
    echo
    echo "+ powercut $*"
    "$target/release/powercut" "$@"
}

echo "the relay: $SMILE_RELAY_BIN"
run powercut --rounds 12
run powercut --lying-disk
run fsync-fails
run full-disk
echo
echo "powercut.sh: all scenarios passed"
