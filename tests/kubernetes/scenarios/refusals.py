"""What the chart refuses is refused by `helm install`, with the value and a way out, and nothing is made."""

from ..waiting import Failure, expect

from .. import charts, shapes
from ..release import Release, merged

KINDS = "all,configmaps,secrets,serviceaccounts,pvc,ingresses,networkpolicies,poddisruptionbudgets"

# What is refused: values on top of good ones, the value that the message names, and a way out that it names.
SHARED = {
    "no secret": (
        {"endpoints": {"smile": {"existingSecret": ""}}},
        "endpoints.smile.existingSecret is not set",
        "kubectl create secret",
    ),
    "several relays with logs of their own": ({"replicas": 2}, "replicas: 2 with store: embedded", "replicas: 1"),
    "a log that dies with the pod": (
        {"persistence": {"enabled": False}},
        "persistence.enabled: false",
        "persistence.ephemeral: true",
    ),
    "plaintext gRPC beyond the pod": (
        {"grpc": {"tls": {"existingSecret": ""}}},
        "grpc.tls.existingSecret is not set",
        "grpc.insecurePlaintext: true",
    ),
}
SIDECAR = {
    "no secret": (
        {"smile-relay": {"endpoints": {"smile": {"existingSecret": ""}}}},
        "endpoints.smile.existingSecret is not set",
        "kubectl create secret",
    ),
    "several pods with a relay each": ({"replicas": 2}, "replicas: 2, with the relay in each pod", "replicas: 1"),
    "a log that dies with the pod": (
        {"smile-relay": {"persistence": {"enabled": False}}},
        "persistence.enabled: false",
        "persistence.ephemeral: true",
    ),
    "plaintext gRPC beyond the pod": (
        {"smile-relay": {"grpc": {"beyondPod": True}}},
        "grpc.tls.existingSecret is not set",
        "grpc.insecurePlaintext: true",
    ),
}


def at_install(stage):
    namespace = stage.namespace()
    before = _objects(namespace)
    example = {"chart": charts.with_relay(charts.EXAMPLE, stage.directory), "image_under": ["smile-relay"]}
    for shape, good, options, bad in (
        ("shared", shapes.shared(namespace), {}, SHARED),
        ("sidecar", shapes.sidecar(["go"]), example, SIDECAR),
    ):
        for what, (values, named, way_out) in bad.items():
            said = _refused(Release(namespace, merged(good, values), **options), what)
            for part in (named, way_out):
                expect(part in said, f"{shape}, {what}: the message does not say {part!r}:\n{said}")
            made = _objects(namespace) - before
            expect(not made, f"{shape}, {what}: refused, and yet there are {sorted(made)}")
        stage.note(f"{shape}: refused, and nothing made: {', '.join(bad)}")


def _refused(release, what):
    """What Helm says when it is to install it, in one line."""
    try:
        release.install(wait=False)
    except Failure as refused:
        return " ".join(str(refused).split())
    raise Failure(f"{what} is installed")


def _objects(namespace):
    return set(namespace.kubectl("get", KINDS, "-o", "name").split())
