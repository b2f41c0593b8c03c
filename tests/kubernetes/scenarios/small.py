"""What a relay takes of a machine, and what it does with little: figures for operators."""

import json
import threading

from ..waiting import eventually, expect

from .. import services, shapes
from ..images import RELAY
from ..manifests import pod, token_volume
from ..release import Release, merged
from ..sender import Sender
from ..services import Service

RATE, SECONDS = 500, 60
# One in a thousand webhooks brings everything that Smile knows of somebody.
LARGE_EVERY, LARGE_BYTES = 1000, 1_400_000
SUBSCRIBERS = 20
LIMITS = {"memory": "64Mi", "cpu": "500m"}


def limits(stage):
    """500 webhooks a second to twenty subscribers for a minute, in 64 MiB and half a core."""
    namespace = stage.namespace()
    values = merged(shapes.shared(namespace), {"resources": {"requests": {"memory": "64Mi"}, "limits": LIMITS}})
    release = Release(namespace, values)
    release.install()
    stage.note(f"image: {_image_bytes(stage.cluster) / 1e6:.1f} MB as it is fetched; ready {_start(release)} after the process began")
    namespace.service_account("service-go")
    subscribed = _subscribers(stage, namespace, release)
    before = _usage(release)
    with Watched(release) as watched:
        sender = Sender(namespace, release.public_url, rate=RATE, seconds=SECONDS, run="small", timeout="5s",
                        large_every=LARGE_EVERY, large_bytes=LARGE_BYTES, body_bytes=700)  # fmt: skip
        last = sender.await_end(SECONDS + 60)
        expect(not last["given_up"], f"given up: {last['given_up']}")
        services.expect_delivered(subscribed, sender.ids(last), seconds=120)
    used = (_usage(release)["cpu"]["usageCoreNanoSeconds"] - before["cpu"]["usageCoreNanoSeconds"]) / 1e9
    state = namespace.container(release.pod, "smile-relay")
    expect(state["restartCount"] == 0, f"the relay was restarted: {state['lastState']}")
    failed = [event["message"] for event in namespace.get("events")["items"]
              if event["reason"] == "Unhealthy" and event["involvedObject"]["name"] == release.pod
              and event["lastTimestamp"] > state["state"]["running"]["startedAt"] and "Startup" not in event["message"]]  # fmt: skip
    expect(not failed, f"probes failed: {failed}")
    expect(last["sent"] >= RATE * SECONDS * 0.98, f"only {last['sent']} were sent")
    stage.note(
        f"{last['sent']} webhooks in {SECONDS} s ({last['sent'] // LARGE_EVERY} of {LARGE_BYTES / 1e6:.1f} MB), {len(subscribed)} subscribers, "
        f"{LIMITS['memory']} and {LIMITS['cpu']}: peak {watched.peak / 2**20:.0f} MiB resident, "
        f"{used / SECONDS * 1000:.0f} m of CPU; answered in p50 {last['p50_ms']:.1f} ms, p99 {last['p99_ms']:.1f} ms; "
        f"{last['repeated_tries']} sent again"
    )


def _subscribers(stage, namespace, release):
    """Twenty of them, ten in a pod. Their places are in memory: on the relay's own disk, 10,000 of them a second would be
    what is measured."""
    made = []
    ca, token = {"name": "grpc-ca", "mountPath": "/ca"}, {"name": "token", "mountPath": "/token", "readOnly": True}
    for number in range(2):
        names = [f"go-{number}-{each}" for each in range(SUBSCRIBERS // 2)]
        held = [services.cursor_volume(in_memory=True), {"name": "grpc-ca", "configMap": {"name": "grpc-ca"}},
                token_volume("token", "smile-relay")]  # fmt: skip
        containers = [services.container(name, "go", release.grpc_address, "/ca/ca.crt", "/token/token", [ca, token]) for name in names]
        namespace.apply(pod(f"subscribers-{number}", *containers, volumes=held, account="service-go"))
        made += [Service(namespace, f"subscribers-{number}", name, "go") for name in names]
    for number in range(2):
        namespace.await_ready(f"subscribers-{number}")
    return made


class Watched:
    """Asks the kubelet once a second what the relay takes. `peak` is the most."""

    def __init__(self, release):
        self.peak = 0
        self._release, self._over = release, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        while not self._over.wait(1):
            self.peak = max(self.peak, _usage(self._release)["memory"]["rssBytes"])


def _usage(release):
    """What the kubelet knows of the relay's container: `cpu` and `memory`."""
    cluster = release.namespace.cluster
    node = release.namespace.pod(release.pod)["spec"]["nodeName"]

    def found():
        summary = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true"))
        of = [each for each in summary["pods"] if each["podRef"]["name"] == release.pod
              and each["podRef"]["namespace"] == release.namespace.name]  # fmt: skip
        containers = of[0]["containers"] if of else []
        return containers[0] if containers and "rssBytes" in containers[0].get("memory", {}) else None

    return eventually("the kubelet knows what the relay takes", found)


def _image_bytes(cluster):
    """The size of the relay's image as a node fetches it. A node says now and then which it has."""

    def found():
        images = cluster.get("nodes")["items"][0]["status"]["images"]
        return next((image["sizeBytes"] for image in images if RELAY in (image["names"] or [])), None)

    return eventually("the node says that it has the relay's image", found)


def _start(release):
    """How long the relay took to be ready, as it says itself."""
    lines = [json.loads(line) for line in release.namespace.logs(release.pod).splitlines()]
    return next(line["fields"]["took"] for line in lines if line["fields"]["message"] == "ready")
