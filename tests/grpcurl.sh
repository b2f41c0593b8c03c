#!/usr/bin/env bash
# The relay as others meet it: webhooks signed by openssl arrive over HTTPS by curl, and grpcurl, which knows nothing but
# what reflection tells it, streams them. Needs grpcurl, openssl, curl, jq. Takes the binary from SMILE_RELAY_BIN.
set -euo pipefail
cd "$(dirname "$0")/.."
relay=${SMILE_RELAY_BIN:-target/release/smile-relay}
[ -x "$relay" ] || { echo "there is no $relay: cargo build --release" >&2; exit 1; }
for tool in grpcurl openssl curl jq; do
  command -v $tool >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/grpcurl-test-XXXXXX")
pids=()
finish() {
  code=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  [ $code -eq 0 ] || { echo "--- the relay said:"; cat "$work/log" 2>/dev/null; echo "--- the stream was:"; cat "$work/stream" 2>/dev/null; }
  rm -rf "$work"
  exit $code
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
eventually() { # what command...
  local what=$1 end=$((SECONDS + 30)); shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || fail "waited 30 s until $what"; sleep 0.05; done
}

# --- a certificate as a public authority would give one, and a relay that uses it
printf 'grpcurl-test-secret\n' > "$work/secret"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
"$relay" serve --public-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
  --grpc-listen 127.0.0.1:0 --grpc-listen "unix:$work/relay.sock" \
  --tls-cert "$work/cert.pem" --tls-key "$work/key.pem" --webhook-secret-file "$work/secret" \
  --data-dir "$work/data" --allow-any-filesystem --log-format json 2> "$work/log" &
pids+=($!)
address() { jq -r --arg l "$1" 'select(.fields.message == "listening" and .fields.listener == $l) | .fields.address' "$work/log" | head -1; }
eventually "the relay listens" test -n "$(sleep 0.2; address admin)"
public=$(address public) grpc=$(address grpc) admin=$(address admin)
eventually "the relay is ready" curl -sf "http://$admin/readyz"

send() { # body: signed by openssl, over HTTPS; prints the status
  local signature
  signature=$(printf '%s' "$1" | openssl dgst -sha512 -hmac grpcurl-test-secret -r | cut -d' ' -f1)
  printf '%s' "$1" | curl -s --cacert "$work/cert.pem" -o "$work/answer" -w '%{http_code}' \
    -H "Smile-Signature: $signature" --data-binary @- "https://localhost:${public##*:}/webhooks/smile"
}
event() { printf '{"id":"et-%s","version":1,"type":"%s","createdAt":"2026-11-23T10:00:0%sZ","data":{"userId":"u-%s","accountId":"a-%s","providers":["sss_ph"]}}' "$1" "$2" "$1" "$1" "$1"; }

echo "--- services, by reflection"
grpcurl -plaintext "$grpc" list | tee "$work/services"
for service in smilerelay.v1.RelayService grpc.health.v1.Health; do
  grep -qx "$service" "$work/services" || fail "$service is not listed"
done
grpcurl -plaintext "$grpc" describe smilerelay.v1.RelayService | grep -q Subscribe || fail "Subscribe is not described"

echo "--- health, on gRPC and on the admin listener"
# The admin listener has no reflection: what the other one says of the service is good for both.
grpcurl -plaintext -protoset-out "$work/health.protoset" "$grpc" describe grpc.health.v1.Health >/dev/null
for listener in "$grpc" "$admin"; do
  [ "$(grpcurl -plaintext -protoset "$work/health.protoset" -d '{"service":"smilerelay.v1.RelayService"}' "$listener" grpc.health.v1.Health/Check | jq -r .status)" = SERVING ] ||
    fail "$listener is not serving"
done

echo "--- a stream, and webhooks signed by openssl over HTTPS"
grpcurl -plaintext -d '{"heartbeat_interval":"2s"}' "$grpc" smilerelay.v1.RelayService/Subscribe > "$work/stream" &
pids+=($!)
eventually "the stream is open" grep -q caughtUp "$work/stream"
for n in 1 2 3; do
  [ "$(send "$(event $n ACCOUNT_CONNECTED)")" = 200 ] || fail "webhook $n: $(cat "$work/answer")"
done
[ "$(send "$(event 2 ACCOUNT_CONNECTED)")" = 200 ] || fail "a repetition has to be answered with 200"
[ "$(send "$(event 4 TASK_STARTED)")" = 200 ] || fail "webhook 4"
streamed() { jq -rs '[.[].events // [] | .[]] | length' "$work/stream"; }
four() { [ "$(streamed)" -ge 4 ]; }
eventually "four events are streamed" four
jq -rs '[.[].events // [] | .[]] | .[] | [.sequence, .id, .type, .accountConnected.accountId // .taskStarted.userId] | @tsv' "$work/stream" | tee "$work/seen"
diff - "$work/seen" <<EXPECTED || fail "not what was sent"
1	et-1	EVENT_TYPE_ACCOUNT_CONNECTED	a-1
2	et-2	EVENT_TYPE_ACCOUNT_CONNECTED	a-2
3	et-3	EVENT_TYPE_ACCOUNT_CONNECTED	a-3
4	et-4	EVENT_TYPE_TASK_STARTED	u-4
EXPECTED

echo "--- a wrong signature"
code=$(event 9 USER_CREATED | curl -s --cacert "$work/cert.pem" -o /dev/null -w '%{http_code}' \
  -H "Smile-Signature: $(printf '%0128d' 0)" --data-binary @- "https://localhost:${public##*:}/webhooks/smile")
[ "$code" = 401 ] || fail "a wrong signature got $code"

echo "--- resume by cursor, filter, get, over the Unix socket"
cursor=$(jq -rs '[.[].events // [] | .[]] | .[1].cursor' "$work/stream")
resumed=$(grpcurl -plaintext -d "{\"after_cursor\":\"$cursor\",\"stop_when_caught_up\":true}" \
  "unix://$work/relay.sock" smilerelay.v1.RelayService/Subscribe | jq -rs '[.[].events // [] | .[].id] | join(" ")')
[ "$resumed" = "et-3 et-4" ] || fail "resumed with: $resumed"
filtered=$(grpcurl -plaintext -d '{"filter":{"types":["EVENT_TYPE_TASK_STARTED"]},"position":"START_POSITION_EARLIEST","stop_when_caught_up":true}' \
  "$grpc" smilerelay.v1.RelayService/Subscribe | jq -rs '[.[].events // [] | .[].id] | join(" ")')
[ "$filtered" = "et-4" ] || fail "filtered: $filtered"
body=$(grpcurl -plaintext -d '{"key":{"id":"et-1"},"include_raw_body":true}' "$grpc" smilerelay.v1.RelayService/GetEvent |
  jq -r .event.rawBody | base64 -d)
[ "$body" = "$(event 1 ACCOUNT_CONNECTED)" ] || fail "the raw body is $body"

echo "--- draining: a last checkpoint, UNAVAILABLE, exit code 0"
kill -TERM "${pids[0]}"
wait "${pids[0]}" || fail "the relay ended with $?"
if wait "${pids[1]}"; then fail "the stream ended without an error"; fi
jq -es '.[-1].checkpoint.caughtUp' "$work/stream" >/dev/null || fail "the last message is no checkpoint"
pids=()
echo "--- passed"
