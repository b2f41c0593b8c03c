#!/usr/bin/env bash
# The public listener's TLS, as SSLyze sees it: in the shape of Mozilla's intermediate configuration, with an ECDSA and with
# an RSA certificate, and with none of the holes that it knows.
#
#   tests/tls.sh
#   SMILE_RELAY_BIN=path tests/tls.sh      # another binary than target/release/smile-relay
#
# Needs Python with venv, openssl and jq. SSLyze is installed into a directory of its own (CI_TOOLS).
set -euo pipefail
bin=$(realpath -m "${SMILE_RELAY_BIN:-$(dirname "${BASH_SOURCE[0]}")/../target/release/smile-relay}")
version=6.3.1
tools=${CI_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/smile-relay-ci}/sslyze-$version
[ -x "$tools/bin/sslyze" ] || {
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check "sslyze==$version"
}

directory=$(mktemp -d)
pid=
finish() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null && wait "$pid" || true; }
  rm -rf "$directory"
}
trap finish EXIT
cd "$directory"

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

sign() { # name, openssl's options for the kind of key
  local name=$1
  shift
  openssl req -new -newkey "$@" -noenc -subj /CN=localhost -keyout "$name.key" -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -days 90 -sha256 -out "$name.pem" -extfile - 2>/dev/null <<END
subjectAltName = DNS:localhost
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
}

start() { # certificate
  : >log
  "$bin" serve --public-listen 127.0.0.1:0 --grpc-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --log-format json \
    --tls-cert "$1.pem" --tls-key "$1.key" --webhook-secret-file secret --data-dir data --allow-any-filesystem 2>log &
  pid=$!
  address=
  for _ in $(seq 200); do
    address=$(jq -r 'select(.fields.message == "listening" and .fields.listener == "public").fields.address' log)
    grep -q '"ready"' log && [ -n "$address" ] && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  cat log >&2
  fail "the relay does not start"
}

stop() {
  kill "$pid"
  wait "$pid" || fail "the relay did not end well"
  pid=
}

scan() { # Mozilla's configuration, where to put the report
  "$tools/bin/sslyze" --sni localhost --certinfo_ca_file ca.pem --early_data --resum --mozilla_config "$1" \
    --json_out "$2" "$address" >report 2>errors
}

printf secret >secret
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 90 -subj "/CN=A test's authority" \
  -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem 2>/dev/null
sign ecdsa ec -pkeyopt ec_paramgen_curve:prime256v1
sign rsa rsa:2048

# What each scan has found, in a line each; everything that is wanted, and nothing else.
expected='TLS versions: TLS_1_2 TLS_1_3
compression: false
early data: false
CCS injection: false
fallback is signalled: true
heartbleed: false
renegotiation by clients: false
secure renegotiation: true
extended master secret: true
ROBOT: NOT_VULNERABLE_RSA_NOT_SUPPORTED'
# shellcheck disable=SC2016
findings='.server_scan_results[0].scan_result as $scan
  | "TLS versions: " + ([$scan | to_entries[] | select(.key | test("_cipher_suites$"))
      | select(.value.result.accepted_cipher_suites | length > 0).value.result.tls_version_used] | sort | join(" ")),
    "compression: \($scan.tls_compression.result.supports_compression)",
    "early data: \($scan.tls_1_3_early_data.result.supports_early_data)",
    "CCS injection: \($scan.openssl_ccs_injection.result.is_vulnerable_to_ccs_injection)",
    "fallback is signalled: \($scan.tls_fallback_scsv.result.supports_fallback_scsv)",
    "heartbleed: \($scan.heartbleed.result.is_vulnerable_to_heartbleed)",
    "renegotiation by clients: \($scan.session_renegotiation.result.is_vulnerable_to_client_renegotiation_dos)",
    "secure renegotiation: \($scan.session_renegotiation.result.supports_secure_renegotiation)",
    "extended master secret: \($scan.tls_extended_master_secret.result.supports_ems_extension)",
    "ROBOT: \($scan.robot.result.robot_result)"'
suites='[.server_scan_results[0].scan_result | to_entries[] | select(.key | test("_cipher_suites$")).value.result
  .accepted_cipher_suites[].cipher_suite.name] | sort[]'

for kind in ecdsa rsa; do
  start "$kind"
  scan intermediate "$kind.json" || { cat report errors >&2; fail "$kind: not as Mozilla's intermediate configuration"; }
  found=$(jq -r "$findings" "$kind.json")
  [ "$found" = "$expected" ] || { diff <(echo "$expected") <(echo "$found") >&2 || true; fail "$kind: see above"; }
  weak=$(jq -r "$suites" "$kind.json" | grep -vE '^TLS_(ECDHE_(ECDSA|RSA)_WITH_)?(AES_(128|256)_GCM|CHACHA20_POLY1305)_SHA(256|384)$') || true
  [ -z "$weak" ] || fail "$kind: cipher suites that are not wanted: $weak"
  echo "$kind: as Mozilla's intermediate configuration; $(jq -r "$suites" "$kind.json" | wc -l) cipher suites, TLS 1.2 and 1.3"
  # The comparison can fail: the modern configuration wants no TLS 1.2.
  if scan modern modern.json; then fail "$kind: TLS 1.2 was not noticed"; fi
  grep -q "TLSv1.2.*should be rejected" report || { cat report >&2; fail "$kind: failed for another reason"; }
  stop
done
echo "all passed"
