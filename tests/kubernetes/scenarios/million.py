"""A small relay that has a million events in its log: how long after a restart it is ready again."""

import statistics
import time

from ..waiting import eventually, expect

from .. import shapes, started
from ..node import Node
from ..release import Release, merged
from ..sender import Sender
from .small import LIMITS, RESOURCES

EVENTS = 1_000_000
# Their bodies, as far as what has to be in them leaves room. The log takes some 500 MB of the volume then.
BODY = 250
VOLUME = {"persistence": {"size": "1Gi"}}
# 10,000 a second were seen with two cores at hand. A node that does all else as well has much less.
FILLING = 1800
RESTARTS = 3
# The kubelet waits longer before each.
RESTART = 120
# What is aimed for, in seconds.
READY = 2.0


def restarts(stage):
    """Filled as fast as it goes, then three times killed with little memory and CPU."""
    namespace = stage.namespace()
    node = Node(stage)
    filled = merged(shapes.shared(namespace), VOLUME)
    release = Release(namespace, filled)
    release.install()
    _fill(stage, release)
    release.values = merged(filled, RESOURCES)
    release.install()
    namespace.await_ready(release.pod)
    starts = [_restart(node, release) for _ in range(RESTARTS)]
    took = [start.took for start in starts]
    median = statistics.median(took)
    stage.note(
        f"{EVENTS} events, {LIMITS['memory']} and {LIMITS['cpu']}, killed {RESTARTS} times: ready {_seconds(took)} after it began, median "
        f"{median:.2f} s; {_seconds(start.from_process for start in starts)} after the runtime made its process; "
        f"{starts[-1].opened['ids_remembered']} ids remembered"
    )
    expect(median < READY, f"ready after {median:.2f} s, the median of {RESTARTS}, not within {READY:g}")


def _fill(stage, release):
    began = time.monotonic()
    sender = Sender(release.namespace, release.public_url, run="million", webhooks=EVENTS, body_bytes=BODY, connections=64,
                    timeout="30s")  # fmt: skip
    last = sender.await_end(FILLING)
    expect(last["acknowledged"] == EVENTS, f"{last['acknowledged']} of {EVENTS} are stored; given up: {last['given_up_ids'][:5]}")
    stage.note(f"filled within {time.monotonic() - began:.0f} s")


def _restart(node, release):
    """Kills the relay, and waits until the one after it is ready. Returns how that started. How long the kubelet waited before is
    not in it."""
    namespace = release.namespace
    _, before = release.started_at()
    node.kill(namespace, release.pod, "smile-relay")
    eventually("the container was restarted", lambda: release.started_at()[1] > before, RESTART)
    namespace.await_ready(release.pod)
    start = started.last(release, node)
    kept = start.opened["latest"] - start.opened["earliest"] + 1
    expect(kept >= EVENTS, f"after a restart the log has {kept} events, not {EVENTS}")
    return start


def _seconds(each):
    return ", ".join(f"{seconds:.2f}" for seconds in each) + " s"
