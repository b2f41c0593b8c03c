"""A release whose pod never becomes ready is repaired by an upgrade to better values, and nobody has to delete the pod."""

from ..waiting import eventually, expect

from .. import shapes
from ..cluster import START
from ..release import Release, merged

# What the relay says with 64 that it does not take, and a Secret that is not there.
REFUSED, MISSING = {"config": {"retention": "soon"}}, "not-there"


def by_upgrade(stage):
    """First the relay refuses its configuration, then the pod waits for a Secret that does not come. Each time the next
    upgrade replaces the pod."""
    namespace = stage.namespace()
    # What becomes of the log is not looked at.
    good = merged(shapes.shared(namespace), {"persistence": {"ephemeral": True}})
    release = Release(namespace, merged(good, REFUSED))
    release.install(wait=False)
    end = eventually("the relay has refused its configuration", lambda: _ended(release), START)
    said = namespace.logs(release.pod, previous=True, may_fail=True) or namespace.logs(release.pod, may_fail=True)
    expect(end["exitCode"] == 64 and "retention" in said, f"the relay ended with {end}, and said {said}")
    refused = _id_of_unready(release)
    stage.note(f"not ready: {said.splitlines()[-1]}")

    release.values = merged(good, {"endpoints": {"smile": {"existingSecret": MISSING}}})
    release.install(wait=False)
    eventually("the pod is replaced that was never ready", lambda: _id(release) not in (None, refused), START)
    misses = eventually(f"the kubelet misses the Secret {MISSING}", lambda: _not_mounted(release, MISSING), START)
    waiting = _id_of_unready(release)
    stage.note(f"not ready: {misses[-1]}")

    release.values = good
    release.install()
    namespace.await_ready(release.pod)
    expect(_id(release) not in (refused, waiting), "the pod is ready, and yet it is the one from before")
    stage.note("helm upgrade alone replaced both, and the relay is ready")


def _id(release):
    pod = release.namespace.pod(release.pod)
    return pod and pod["metadata"]["uid"]


def _id_of_unready(release):
    """The id of a pod that is there, and not ready."""
    pod = release.namespace.pod(release.pod)
    expect(pod, f"there is no pod {release.pod}")
    ready = [one["status"] for one in pod["status"].get("conditions", []) if one["type"] == "Ready"]
    expect(ready != ["True"], f"{release.pod} is ready: {pod['status']}")
    return pod["metadata"]["uid"]


def _ended(release):
    """How the relay's container ended, the last time that it did."""
    state = release.namespace.container(release.pod, "smile-relay") or {}
    return state.get("lastState", {}).get("terminated") or state.get("state", {}).get("terminated")


def _not_mounted(release, secret):
    """What the kubelet said of volumes that it could not mount for want of this Secret."""
    chosen = f"involvedObject.name={release.pod},reason=FailedMount"
    events = release.namespace.get("events", "--field-selector", chosen) or {"items": []}
    return [event["message"].strip() for event in events["items"] if secret in event["message"]]
