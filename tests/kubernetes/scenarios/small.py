"""What a relay takes of a machine, and what it does with little: figures for operators."""

from ..waiting import expect

from .. import services, shapes, started, usage
from ..manifests import pod, token_volume
from ..node import Node
from ..release import Release, merged
from ..sender import Sender
from ..services import Service

RATE, SECONDS = 500, 60
# One in a thousand webhooks brings everything that Smile knows of somebody.
LARGE_EVERY, LARGE_BYTES = 1000, 1_400_000
SUBSCRIBERS = 20
LIMITS = {"memory": "64Mi", "cpu": "500m"}
RESOURCES = {"resources": {"requests": {"memory": "64Mi"}, "limits": LIMITS}}
# What is aimed for: MB that a registry sends, and seconds until it is ready with an empty log.
IMAGE_MB, READY = 25, 0.3


def limits(stage):
    """500 webhooks a second to twenty subscribers for a minute, in 64 MiB and half a core."""
    namespace = stage.namespace()
    node = Node(stage)
    release = Release(namespace, merged(shapes.shared(namespace), RESOURCES))
    release.install()
    _expect_light(stage, node, release)
    namespace.service_account("service-go")
    subscribed = _subscribers(stage, namespace, release)
    with usage.watched(node, namespace, release.pod, "smile-relay") as watched:
        sender = Sender(namespace, release.public_url, rate=RATE, seconds=SECONDS, run="small", timeout="5s",
                        large_every=LARGE_EVERY, large_bytes=LARGE_BYTES, body_bytes=700)  # fmt: skip
        sender.await_sent(RATE)
        before = watched.cpu()
        last = sender.await_end(SECONDS + 60)
        after = watched.cpu()
        expect(not last["given_up"], f"given up: {last['given_up']}")
        services.expect_delivered(subscribed, sender.ids(last), seconds=120)
        _expect_unharmed(namespace, release)
    expect(last["sent"] >= RATE * SECONDS * 0.98, f"only {last['sent']} were sent")
    memory, cpu = watched.memory, after.share(before)
    expect(min(memory.own, memory.resident, cpu) > 0, f"something was not measured: {memory}, {cpu} of a CPU")
    large = f"{last['sent'] // LARGE_EVERY} of {LARGE_BYTES / 1e6:.1f} MB"
    stage.note(
        f"{last['sent']} webhooks in {SECONDS} s ({large}), {len(subscribed)} subscribers, {LIMITS['memory']} and {LIMITS['cpu']}: "
        f"{cpu * 1000:.0f} m of CPU over {after.at - before.at:.1f} s of that; answered in p50 {last['p50_ms']:.1f} ms, "
        f"p99 {last['p99_ms']:.1f} ms, at most {last['max_ms']:.0f} ms; {last['repeated_tries']} sent again"
    )
    stage.note(
        f"memory: at most {_mib(memory.held)} of its control group's are no file's, {_mib(memory.own)} anonymous and "
        f"{_mib(memory.kernel)} the kernel's ({memory.looks} looks, at most {memory.widest * 1000:.0f} ms apart); its process had "
        f"{_mib(memory.resident)} resident at most since its start (VmHWM), mapped files included: {_mib(memory.file)} at the end"
    )


def _expect_light(stage, node, release):
    """A small image, and ready at once."""
    compressed, unpacked = usage.image_bytes(node, node.process(release.namespace, release.pod, "smile-relay"))
    start = started.last(release, node)
    stage.note(
        f"image: {compressed / 1e6:.1f} MB as gzip packs its files, {unpacked / 1e6:.1f} MB unpacked; with an empty log ready "
        f"{start.took * 1000:.0f} ms after it began, {start.from_process * 1000:.0f} ms after the runtime made its process"
    )
    expect(compressed < IMAGE_MB * 1e6, f"the image has {compressed / 1e6:.1f} MB compressed, not less than {IMAGE_MB}")
    expect(start.took < READY, f"the relay was ready after {start.took:.3f} s, not within {READY}")


def _expect_unharmed(namespace, release):
    """Never restarted, and always there when the kubelet asked."""
    state = namespace.container(release.pod, "smile-relay")
    expect(state["restartCount"] == 0, f"the relay was restarted: {state['lastState']}")
    failed = [event["message"] for event in namespace.get("events")["items"]
              if event["reason"] == "Unhealthy" and event["involvedObject"]["name"] == release.pod
              and event["lastTimestamp"] > state["state"]["running"]["startedAt"] and "Startup" not in event["message"]]  # fmt: skip
    expect(not failed, f"probes failed: {failed}")


def _mib(count):
    return f"{count / 2**20:.1f} MiB"


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
