"""The API server takes every shape, without making it: a dry run on its side, where it defaults, validates and admits."""

import re
import subprocess

from ..waiting import expect

from .. import charts
from ..release import CHART, Release

# What the example chart can be asked for besides what it is as it stands.
EXAMPLES = {
    "service": {},
    "service-socket": {"smile-relay": {"grpc": {"unixSocket": {"enabled": True}}}},
    "service-http": {"smile-relay": {"probes": {"type": "http"}, "metrics": {"podAnnotations": True}}},
    "service-ephemeral": {"smile-relay": {"persistence": {"ephemeral": True}}},
}

# What is no part of Kubernetes. It is left out where the cluster does not have it; all else has to be known to it.
ADDED = {
    "gateway.networking.k8s.io/v1": {"BackendTLSPolicy", "GRPCRoute", "HTTPRoute", "TLSRoute"},
    "monitoring.coreos.com/v1": {"PrometheusRule", "ServiceMonitor"},
}


def every_shape(stage):
    namespace = stage.namespace()
    # A pod is not admitted without its account, which a dry run does not make.
    namespace.service_account("relay-smile-relay-test")
    served = set(namespace.kubectl("api-versions").split())
    example = charts.with_relay(charts.EXAMPLE, stage.directory)
    shapes = {file.name.removesuffix("-values.yaml"): (CHART, [f"--values={file}"]) for file in sorted(CHART.glob("ci/*.yaml"))}
    expect(shapes, f"there are no values in {CHART}/ci")
    rendered = {name: Release(namespace, {}).helm("template", "relay", str(chart), *values) for name, (chart, values) in shapes.items()}
    rendered |= {name: Release(namespace, values, chart=example, image_under=["smile-relay"]).render() for name, values in EXAMPLES.items()}
    left_out = set()
    for name, text in rendered.items():
        objects = [part for part in re.split(r"^---$", text, flags=re.M) if re.search(r"^kind:", part, re.M)]
        known = [part for part in objects if _field(part, "apiVersion") in served]
        left_out |= {_named(_field(part, "kind"), _field(part, "apiVersion")) for part in objects if part not in known}
        _dry_run(namespace, name, "---".join(known))
        stage.note(f"{name}: {len(known)} objects")
    expected = {_named(kind, version) for version, kinds in ADDED.items() if version not in served for kind in kinds}
    expect(left_out == expected, f"the cluster does not have {sorted(left_out)}, and is expected not to have {sorted(expected)}")
    stage.note(f"left out, as the cluster does not have them: {', '.join(sorted(left_out)) or 'nothing'}")


def _named(kind, version):
    return f"{kind} ({version})"


def _field(text, name):
    return re.search(rf"^{name}: *(\S+)", text, re.M)[1]


def _dry_run(namespace, name, text):
    """Pods and what makes pods draw a warning if the namespace's profile would not admit them: no warning is taken."""
    command = ["kubectl", "-n", namespace.name, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    expect(done.returncode == 0 and not done.stderr, f"{name}: the API server says:\n{done.stderr}")
