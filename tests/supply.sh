#!/usr/bin/env bash
# What the relay is built from: licences, sources, second versions and known vulnerabilities by cargo-deny (deny.toml), and a
# list of it all (SBOM) by cargo-cyclonedx, as target/smile-relay-VERSION.cdx.json. Needs both, jq, git and python3.
#
# RustSec's list of vulnerabilities is fetched. Where it can't be, tests/supply/advisories.tsv takes its place: older and
# shorter, so a release should not be made from there.
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in cargo-deny cargo-cyclonedx jq git python3; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/supply-test-XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

echo "--- licences, sources, second versions"
cargo deny --locked check --hide-inclusion-graph licenses sources bans

echo "--- known vulnerabilities"
# cargo-deny's own name for the folder of https://github.com/RustSec/advisory-db.
name=advisory-db-3157b0e258782691
database() { # folder: makes one from lines of our format
  mkdir -p "$1/$name"
  python3 tests/supply/advisories.py "$1/$name"
  git -C "$1/$name" init --quiet
  git -C "$1/$name" add .
  git -C "$1/$name" -c user.name=ci -c user.email=ci@localhost commit --quiet --message "Advisories"
}
check() { # folder of databases
  sed "s|^db-path = .*|db-path = \"$1\"|" deny.toml > "$work/deny.toml"
  cargo deny --locked --offline --config "$work/deny.toml" check --hide-inclusion-graph advisories
}
fetched=target/advisory-dbs
# Each time from scratch, as one of another day may be in the way.
rm -rf "$fetched"
if timeout 60 cargo deny --locked fetch db > "$work/fetch" 2>&1 && [ -d "$fetched/$name/crates" ]; then
  echo "RustSec's list of today"
  check "$PWD/$fetched"
else
  echo "RustSec's list can't be fetched: by tests/supply/advisories.tsv"
  database "$work/db" < tests/supply/advisories.tsv
  check "$work/db"
fi
# And it does find one that is there: of the very version of tokio that is used.
printf 'RUSTSEC-2999-0001\ttokio\t2999-01-01\tvulnerability\t\t\tall of it\n' | database "$work/found"
if check "$work/found" > "$work/out" 2>&1; then fail "an advisory for what is used is not found"; fi
grep -q RUSTSEC-2999-0001 "$work/out" || { cat "$work/out" >&2; fail "the check failed for something else"; }

echo "--- SBOM"
version=$(cargo metadata --no-deps --locked --format-version 1 | jq -r '.packages[0].version')
sbom=smile-relay-$version.cdx
# It writes beside Cargo.toml.
trap 'rm -rf "$work" "$sbom.json"' EXIT
cargo cyclonedx --format json --spec-version 1.5 --no-build-deps --target x86_64-unknown-linux-gnu --override-filename "$sbom" --quiet
jq -e '[.components[] | select(.purl and (.licenses | length > 0) and (.hashes | length > 0))] | length > 100' "$sbom.json" >/dev/null ||
  fail "the SBOM has too few components with a name, a licence and a hash"
for crate in tokio rustls ring rusqlite; do
  jq -e --arg crate "$crate" '[.components[].name] | index($crate)' "$sbom.json" >/dev/null || fail "the SBOM lacks $crate"
done
mkdir -p target
mv "$sbom.json" target/
echo "target/$sbom.json: $(jq '.components | length' "target/$sbom.json") components"
