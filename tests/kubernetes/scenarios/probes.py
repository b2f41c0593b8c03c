"""Probes by gRPC and by exec: a relay becomes ready, and stops being so for the right reason."""

from ..waiting import eventually, expect

from .. import shapes
from ..release import Release, merged

# What the kubelet says when a start probe is told no, and of what. It shows no more of an answer by HTTP, by which it asks for
# the start where readiness is asked for by gRPC.
SAYS = {"grpc": "statuscode: 503", "exec": "another process uses the data directory"}


def both_types(stage):
    """A second relay waits for the volume of the first, not ready; the first drains, not ready; the second takes over."""
    for kind in SAYS:
        _try(stage, kind)


def _try(stage, kind):
    namespace = stage.namespace(f"-{kind}")
    # The drain is long enough for the kubelet to ask several times.
    values = merged(shapes.shared(namespace), {
        "probes": {"type": kind, "periodSeconds": 1, "failureThreshold": 1},
        "drain": {"delaySeconds": 5},
        "terminationGracePeriodSeconds": 60,
    })  # fmt: skip
    first = Release(namespace, values)
    first.install()
    _expect_probes(namespace, first, kind)
    namespace.await_ready(first.pod)

    second = Release(namespace, merged(values, {"persistence": {"existingClaim": f"{first.full_name}-log"}}), name="second")
    second.install(wait=False)
    waits = eventually("the second relay's probe fails", lambda: _failures(namespace, second, SAYS[kind]))
    expect(not _ready(namespace, second), f"{second.pod} is ready on a volume that is in use")
    log = namespace.logs(second.pod)
    expect("another process uses it: waiting" in log, f"{second.pod} does not say that it waits:\n{log}")

    namespace.kubectl("delete", "statefulset", first.full_name, "--wait=false")
    eventually(f"{first.pod} is not ready while it drains", lambda: namespace.pod(first.pod) and not _ready(namespace, first))
    drains = eventually("its probe fails", lambda: _failures(namespace, first, "draining" if kind == "exec" else "NOT_SERVING"))
    namespace.await_ready(second.pod)
    state = namespace.container(second.pod, "smile-relay")
    expect(state["restartCount"] == 0, f"{second.pod} was restarted while it waited: {state}")
    stage.note(f"{kind}: while another has the volume: {waits[-1]}; while it drains: {drains[-1]}")


def _expect_probes(namespace, release, kind):
    """The probes are of this kind, as far as they can."""
    [container] = namespace.pod(release.pod)["spec"]["containers"]
    for probe, by in (("startupProbe", "httpGet" if kind == "grpc" else kind), ("readinessProbe", kind)):
        expect(by in container[probe], f"the {probe} is {container[probe]}")


def _ready(namespace, release):
    conditions = namespace.pod(release.pod)["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _failures(namespace, release, why):
    """What the kubelet said of probes that failed, of those for a reason."""
    chosen = f"involvedObject.name={release.pod},reason=Unhealthy"
    events = namespace.get("events", "--field-selector", chosen) or {"items": []}
    return [event["message"].strip() for event in events["items"] if why in event["message"]]
