#!/usr/bin/env bash
# What an operator is given fits what a relay shows: a live scrape is well-formed, the alerts and the dashboard parse and name
# only metrics that are there, the documentation lists just these, and each alert fires when it has to and not before.
# Needs promtool, curl, jq. Takes the binary from SMILE_RELAY_BIN.
set -euo pipefail
cd "$(dirname "$0")/.."
relay=${SMILE_RELAY_BIN:-target/release/smile-relay}
[ -x "$relay" ] || { echo "there is no $relay: cargo build --release" >&2; exit 1; }
for tool in promtool curl jq; do
  command -v $tool >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/metrics-test-XXXXXX")
pids=()
finish() {
  code=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  [ $code -eq 0 ] || { echo "--- the relay said:"; cat "$work/log" 2>/dev/null; }
  rm -rf "$work"
  exit $code
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
eventually() { # what command...
  local what=$1 end=$((SECONDS + 30)); shift
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || fail "waited 30 s until $what"; sleep 0.05; done
}

printf 'metrics-test-secret\n' > "$work/secret"
head -c 32 /dev/urandom > "$work/callback-key"
"$relay" serve --public-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --grpc-listen 127.0.0.1:0 --tls-self-signed \
  --webhook-secret-file "$work/secret" --callback-key-file "$work/callback-key" --data-dir "$work/data" --allow-any-filesystem \
  --log-format json 2> "$work/log" &
pids+=($!)
address() { jq -r --arg l "$1" 'select(.fields.message == "listening" and .fields.listener == $l) | .fields.address' "$work/log" | head -1; }
eventually "the relay listens" eval '[ -n "$(address admin)" ]'
public=$(address public) grpc=$(address grpc) admin=$(address admin)
eventually "the relay is ready" curl -sf "http://$admin/readyz"

echo "--- some webhooks, good and bad, and a stream that reads them"
"$relay" tail --address "http://$grpc" --json > "$work/stream" 2>/dev/null &
pids+=($!)
metrics() { curl -sf "http://$admin/metrics"; }
streams() { metrics | grep -q '^smile_relay_streams 1$'; }
eventually "the stream is open" streams
trigger() { "$relay" trigger "$@" --insecure --url "https://$public/webhooks/smile" > "$work/sent"; }
trigger USER_CREATED --secret-file "$work/secret" --count 3
trigger TASK_STARTED --secret-file "$work/secret"
if trigger USER_CREATED --secret wrong; then fail "a wrong signature was taken"; fi
four() { [ "$(wc -l < "$work/stream")" -ge 4 ]; }
eventually "they are streamed" four
metrics > "$work/scrape"
for sample in \
  'smile_relay_webhooks_total{endpoint="smile",type="USER_CREATED",result="stored"} 3' \
  'smile_relay_webhooks_total{endpoint="smile",type="TASK_STARTED",result="stored"} 1' \
  'smile_relay_webhooks_total{endpoint="smile",type="",result="bad_signature"} 1' \
  'smile_relay_delivered_events_total 4' 'smile_relay_log_newest_sequence 4' 'smile_relay_ready 1'; do
  grep -qxF "$sample" "$work/scrape" || fail "not there: $sample: $(cat "$work/scrape")"
done

echo "--- promtool, on the live scrape"
promtool check metrics < "$work/scrape"
curl -sf -H 'Accept: application/openmetrics-text;version=1.0.0' "http://$admin/metrics" | tail -1 | grep -qx '# EOF' ||
  fail "no OpenMetrics for those who ask for it"

echo "--- alerts: they parse, and fire when they have to"
promtool check rules deploy/prometheus/alerts.yaml
promtool test rules deploy/prometheus/alerts_test.yaml
for alert in $(sed -n 's/^ *- alert: //p' deploy/prometheus/alerts.yaml); do
  # Each has a moment at which it fires, and one at which it does not.
  checks=$(grep -A1 "alertname=\"$alert\"" deploy/prometheus/alerts_test.yaml)
  grep -q 'exp_samples: \[\]' <<< "$checks" || fail "no test says when $alert does not fire"
  grep -q 'exp_samples:$' <<< "$checks" || fail "no test says when $alert fires"
done
for anchor in $(sed -n 's/^ *runbook: docs\/operations.md#//p' deploy/prometheus/alerts.yaml); do
  grep -qix "### $anchor" docs/operations.md || fail "docs/operations.md says nothing of $anchor"
done

echo "--- the dashboard: its expressions parse"
jq -r '.panels[] | .targets[]? | .expr' deploy/grafana/smile-relay.json |
  sed 's/\$__rate_interval/5m/g; s/\$instance/.*/g' > "$work/expressions"
[ "$(wc -l < "$work/expressions")" -gt 20 ] || fail "there are hardly any expressions"
{
  printf 'groups:\n  - name: dashboard\n    rules:\n'
  n=0
  while read -r expression; do
    n=$((n + 1))
    printf '      - record: panel:%s\n        expr: %s\n' $n "$(jq -Rn --arg e "$expression" '$e')"
  done < "$work/expressions"
} > "$work/dashboard.yaml"
promtool check rules "$work/dashboard.yaml"

echo "--- names: dashboard, alerts and documentation against the scrape"
# A histogram has three names.
awk '/^# TYPE/ { print $3; if ($4 == "histogram") { print $3 "_bucket"; print $3 "_sum"; print $3 "_count" } }' "$work/scrape" | sort > "$work/names"
named() { grep -oE '\b(smile_relay|process)_[a-z_]+' "$@" | sort -u; }
{ jq -r '.panels[] | .targets[]? | .expr' deploy/grafana/smile-relay.json; jq -r '.templating.list[].query' deploy/grafana/smile-relay.json; } | named > "$work/dashboard-names"
sed -n '/^ *expr:/,/^ *\(for\|labels\):/p' deploy/prometheus/alerts.yaml | named > "$work/alert-names"
for of in dashboard alert; do
  missing=$(comm -23 "$work/$of-names" "$work/names")
  [ -z "$missing" ] || fail "the $of names what no relay shows: $missing"
done
sed -n 's/^| `\([a-z_]*\)` |.*/\1/p' docs/operations.md | sort > "$work/documented"
awk '/^# TYPE/ { print $3 }' "$work/scrape" | sort > "$work/shown"
diff "$work/documented" "$work/shown" || fail "docs/operations.md (<) is not what a relay shows (>)"
echo "--- passed"
