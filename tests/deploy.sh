#!/usr/bin/env bash
# What deploy/ ships: the Dockerfile, the chart in every shape, the systemd unit. Nothing is installed anywhere.
#
# The chart is linted, and rendered with all the values of its ci/ folder and as a dependency of the example service; what
# comes out is checked by tests/deploy/rendered.py, its configuration file by the relay itself. Each line of
# tests/deploy/refusals.txt has to be refused. Needs helm, hadolint, openssl, and a python (PYTHON) with
# kubernetes-validate and PyYAML. Takes the binary from SMILE_RELAY_BIN.
set -euo pipefail
cd "$(dirname "$0")/.."
relay=$(realpath "${SMILE_RELAY_BIN:-target/release/smile-relay}")
python=${PYTHON:-python3}
[ -x "$relay" ] || { echo "there is no $relay: cargo build --release" >&2; exit 1; }
for tool in helm hadolint openssl "$python"; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/deploy-test-XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
chart=deploy/helm/smile-relay

echo "--- Dockerfiles"
hadolint deploy/Dockerfile tests/kubernetes/images/*.Dockerfile

echo "--- chart: lint"
lint() { # chart, options... Helm reports also what it meets on the way and then takes for no error.
  helm lint --strict "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; fail "helm lint $*"; }
}
for values in "$chart"/ci/*.yaml; do
  lint "$chart" -f "$values"
done
"$python" deploy/helm/readme.py --check
if [ -e deploy/prometheus/alerts.yaml ]; then
  cmp deploy/prometheus/alerts.yaml "$chart/files/alerts.yaml" || fail "the chart's copy of the alerts is not the original's"
fi

# The example gets the chart as its dependency as everybody's would, but not in this tree.
cp -r deploy/helm "$work/helm"
service=$work/helm/examples/service
helm dependency update "$service" > "$work/out" 2>&1 || { cat "$work/out" >&2; fail "the example does not get its dependency"; }
lint "$service"

echo "--- chart: every shape"
render() { # name, chart, options...
  local name=$1 from=$2; shift 2
  helm template relay "$from" --namespace events "$@" > "$work/$name.yaml"
  "$python" tests/deploy/rendered.py "$name" "$work/config/$name" < "$work/$name.yaml"
  # It is the relay that says which settings there are, and of which type.
  "$relay" config print --config "$work/config/$name/relay.toml" > "$work/printed" || fail "$name: the relay refuses its configuration"
  while read -ra probe; do # 64: that it does not know such a command. There is no relay to ask.
    "$relay" "${probe[@]}" > "$work/out" 2>&1 || [ $? -ne 64 ] || { cat "$work/out" >&2; fail "$name: a probe is no command of the relay"; }
  done < "$work/config/$name/probes"
}
for values in "$chart"/ci/*.yaml; do
  render "$(basename "$values" -values.yaml)" "$chart" -f "$values"
done
render service "$service"
render service-socket "$service" --set smile-relay.grpc.unixSocket.enabled=true
render service-http "$service" --set smile-relay.probes.type=http,smile-relay.metrics.podAnnotations=true
render service-grpc "$service" --set smile-relay.probes.type=grpc
render service-ephemeral "$service" --set smile-relay.persistence.ephemeral=true
render service-claim "$service" --set smile-relay.persistence.existingClaim=mine
beyond=smile-relay.grpc.beyondPod=true
render service-beyond "$service" \
  --set $beyond,smile-relay.grpc.tls.existingSecret=x,smile-relay.grpc.insecureAnonymous=true,smile-relay.grpc.unixSocket.enabled=true
render service-plaintext "$service" --set $beyond,smile-relay.grpc.insecurePlaintext=true
render public-keys "$chart" -f "$chart/ci/shared-values.yaml" \
  --set identities.kubernetes.fromApiServer=false,identities.kubernetes.jwksUrl=https://issuer.example.com/keys
render stopped "$chart" -f "$chart/ci/shared-values.yaml" --set replicas=0
tls_routes() { # the version that they are to be of, and those that the cluster has
  local expected=$1 name=tls-routes known=(); shift
  for version; do
    name+=-$version known+=(--api-versions "gateway.networking.k8s.io/$version/TLSRoute")
  done
  render "$name" "$chart" -f "$chart/ci/shared-gateway-values.yaml" "${known[@]}"
  [ "$(grep -B1 '^kind: TLSRoute' "$work/$name.yaml" | grep -c "^apiVersion: gateway.networking.k8s.io/$expected\$")" = 2 ] ||
    fail "$name: the routes are not of the version $expected"
}
tls_routes v1
tls_routes v1 v1alpha2 v1alpha3 v1
tls_routes v1alpha3 v1alpha2 v1alpha3
tls_routes v1alpha2 v1alpha2

echo "--- chart: the relay takes its configuration, with all files there"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
for name in shared public-keys shared-open sidecar service-socket service-beyond; do
  etc=$work/etc/$name
  while read -r file; do
    mkdir -p "$etc/$(dirname "$file")"
    case $file in
      *.crt) cp "$work/cert.pem" "$etc/$file" ;;
      *.key) cp "$work/key.pem" "$etc/$file" ;;
      identities/*) sed "s|/etc/smile-relay|$etc|" "$work/config/$name/identities.toml" > "$etc/$file" ;;
      *) openssl rand -hex 32 > "$etc/$file" ;;
    esac
  done < <(grep -oh '/etc/smile-relay/[^"]*' "$work/config/$name/"*.toml | sed 's|^/etc/smile-relay/||')
  sed "s|/etc/smile-relay|$etc|; s|/var/lib/smile-relay|$work|" "$work/config/$name/relay.toml" > "$work/relay.toml"
  "$relay" config check --config "$work/relay.toml" >/dev/null || fail "$name: the relay refuses its configuration"
  echo "$name"
done

echo "--- chart: what it says"
notes() { # name, chart, options...
  helm install relay "${@:2}" --namespace events --dry-run=client 2>/dev/null | sed -n '/^NOTES:/,$p' > "$work/notes-$1"
}
notes shared "$chart" -f "$chart/ci/shared-values.yaml"
grep -q "helm uninstall keeps the volume with the log (claim relay-smile-relay-log)" "$work/notes-shared" ||
  fail "the notes do not say that the volume is kept"
grep -q "https://relay.example.com/webhooks/NAME" "$work/notes-shared" || fail "the notes do not say what to register at Smile"
notes sidecar "$chart" -f "$chart/ci/sidecar-values.yaml"
grep -q "claim relay-smile-relay-log" "$work/notes-sidecar" || fail "the notes of the sidecar do not name the claim"
notes open "$chart" -f "$chart/ci/shared-open-values.yaml"
grep -q "DIES WITH THE POD" "$work/notes-open" || fail "the notes do not say that the log dies with the pod"
grep -q "in PLAINTEXT" "$work/notes-open" || fail "the notes do not say that gRPC is in plaintext"
cat "$work/notes-shared"

echo "--- chart: what it refuses"
refused=0
while IFS='|' read -r from values expected; do
  from=${from// /} values=${values// /}
  case $from in
    ''|'#'*) continue ;;
    service) options=("$service") ;;
    *) options=("$chart" -f "$chart/ci/$from-values.yaml") ;;
  esac
  if helm template relay "${options[@]}" --set "$values" > "$work/out" 2> "$work/err"; then
    fail "$from with $values is not refused"
  fi
  tr -s ' \n' ' ' < "$work/err" > "$work/said"
  while read -r part; do
    grep -qF -- "$part" "$work/said" || { cat "$work/err" >&2; fail "$from with $values: the message does not say: $part"; }
  done < <(sed 's/ ; /\n/g' <<< "$expected")
  refused=$((refused + 1))
done < tests/deploy/refusals.txt
echo "$refused refusals"

echo "--- systemd"
if command -v systemd-analyze >/dev/null; then
  # It looks for the binary at its place, which a copy of the unit names another.
  sed "s|/usr/local/bin/smile-relay|$relay|" deploy/systemd/smile-relay.service > "$work/smile-relay.service"
  systemd-analyze verify --man=no "$work/smile-relay.service" 2> "$work/err" || { cat "$work/err" >&2; fail "the unit is not well-formed"; }
  ! grep -F smile-relay.service "$work/err" || fail "systemd has something to say about the unit"
  systemd-analyze security --offline=true --threshold=20 "$work/smile-relay.service" > "$work/out" ||
    { cat "$work/out" >&2; fail "the unit allows more than it did"; }
  tail -1 "$work/out"
else
  echo "no systemd-analyze here: the unit was not checked"
fi
