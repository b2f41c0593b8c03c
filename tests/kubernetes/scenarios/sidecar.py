"""The relay as a native sidecar in a service's own pod, by the example chart: the order in which things start and end, and
what becomes of the services when the relay's container ends alone."""

import json

from ..waiting import eventually, expect

from .. import charts, services, shapes
from ..cluster import instant
from ..following import Followed
from ..greedy import take_memory
from ..node import Node
from ..release import Release
from ..sender import Sender, outage
from ..services import Service

RATE = 20
# Twice that is longer than the 10 s and more by which the kubelet may delay a container's restart, now and then already the first.
RETRY_DELAY = "12s"
RELAY = "smile-relay"
# So long the services still work when their pod is to end, and the next pod's relay has to wait for the log.
ENDING = 3
# Memory that the relay may use, and bodies that are more than that if their own limit is set as nobody should.
MEMORY, BODIES, BODY = "64Mi", 12, 12_000_000


def unix_socket(stage):
    """Two services on the relay's Unix socket."""
    _live(stage, ("go", "python"), unix_socket=True)


def loopback(stage):
    """Two services on the relay's loopback port."""
    _live(stage, ("node", "java"), unix_socket=False)


def _live(stage, languages, unix_socket):
    namespace = stage.namespace()
    node = Node(stage)
    relay = {
        "resources": {"limits": {"memory": MEMORY}},
        "config": {"body-budget": "512MiB"},
    }
    values = shapes.sidecar(languages, unix_socket, ending=ENDING, **relay)
    release = Release(namespace, values, chart=charts.with_relay(charts.EXAMPLE, stage.directory), image_under=[RELAY])
    release.install()
    life = Life(stage, namespace, release, languages)
    life.expect_relay_first()
    # A container's second restart in a pod is always delayed, so the new pod comes in between.
    life.under_load("killed", lambda: life.killed(node))
    life.under_load("replaced", life.replaced)
    life.under_load("out-of-memory", life.out_of_memory)


class Life:
    """A pod with a relay and services in it, and the pods that come after it."""

    def __init__(self, stage, namespace, release, languages):
        self.stage, self.namespace, self.release, self.languages = stage, namespace, release, languages
        self.pod = self._running_pod()
        self.namespace.await_ready(self.pod)
        self.services = [Service(namespace, self.pod, language, language) for language in languages]
        self._sent = []

    def under_load(self, name, trouble):
        """Brings a trouble over the pod while webhooks arrive. All that were ever sent have to be with every service then."""
        sender = Sender(self.namespace, self.release.public_url, rate=RATE, run=name, retry_delay=RETRY_DELAY)
        acknowledged = sender.await_sent(RATE)
        trouble()
        sender.await_sent(acknowledged + RATE)
        last = sender.stop()
        expect(not last["given_up"], f"{name}: given up after three tries: {last['given_up']}")
        self._sent += sender.ids(last)
        services.expect_delivered(self.services, self._sent)
        self.stage.note(
            f"  {last['sent']} webhooks, each at {' and '.join(self.languages)} once and in order; {outage(last)}"
        )

    def expect_relay_first(self):
        """The services were not started before the relay was ready, as far as whole seconds tell, which is all that the kubelet
        writes: with an empty log it is ready within one. That they wait for it is what `_expect_held` sees, where the relay has to
        wait itself."""
        ready = self._relay_said("ready")
        for language in self.languages:
            started = instant(self.namespace.container(self.pod, language)["state"]["running"]["startedAt"])
            expect(started >= ready.replace(microsecond=0), f"{language} was started at {started}, the relay was ready at {ready}")
        self.stage.note(f"started: relay ready at {ready:%T.%f}, then {', '.join(self.languages)}")

    def killed(self, node):
        """The relay's process alone."""
        self._ends_alone("killed", lambda: node.kill(self.namespace, self.pod, RELAY), "Error")

    def out_of_memory(self):
        """It takes more than its limit."""
        host = f"{self.release.full_name}-public.{self.namespace.name}.svc"
        self._ends_alone("out of memory", lambda: take_memory(self.namespace, host, BODIES, BODY), "OOMKilled")

    def _ends_alone(self, what, end, reason):
        before = {name: self.namespace.container(self.pod, name)["restartCount"] for name in (RELAY, *self.languages)}
        end()
        eventually(f"{what}: the relay's container is restarted",
                   lambda: self.namespace.container(self.pod, RELAY)["restartCount"] > before[RELAY])  # fmt: skip
        self.namespace.await_ready(self.pod)
        state = self.namespace.container(self.pod, RELAY)
        ended = state["lastState"]["terminated"]
        expect(ended["reason"] == reason and ended["exitCode"] == 137, f"{what}: the relay ended with {ended}")
        for language in self.languages:
            restarts = self.namespace.container(self.pod, language)["restartCount"]
            expect(restarts == before[language], f"{what}: {language} was restarted too")
        away = instant(state["state"]["running"]["startedAt"]) - instant(ended["finishedAt"])
        self.stage.note(f"{what}: the relay's container alone, started again after {away.total_seconds():.0f} s")

    def replaced(self):
        """The pod is deleted: services end first, the relay last, and the next pod's services wait until its relay has the
        log."""
        old = self.pod
        followed = {name: Followed(self.stage, self.namespace, old, name) for name in (RELAY, *self.languages)}
        try:
            # With a finalizer the pod can still be asked how its containers ended.
            self.namespace.kubectl("patch", "pod", old, "-p", '{"metadata": {"finalizers": ["smile-relay.test/look"]}}')
            self.namespace.kubectl("delete", "pod", old, "--wait=false")
            ends = eventually("all containers of the pod have ended", lambda: self._ends(old), 90)
        finally:
            self.namespace.kubectl("patch", "pod", old, "-p", '{"metadata": {"finalizers": null}}')
        said = {name: follower.until_end() for name, follower in followed.items()}
        self._expect_relay_last(ends, said[RELAY])
        self.pod = eventually("there is a new pod", self._running_pod)
        self.namespace.await_ready(self.pod)
        self._expect_held(ends)
        self.services = [
            Service(self.namespace, self.pod, language, language, services.printed(line for _, line in said[language]))
            for language in self.languages
        ]

    def _expect_relay_last(self, ends, relay_said):
        failed = {name: end for name, end in ends.items() if end["exitCode"] not in (0, 143)}
        expect(not failed and ends[RELAY]["exitCode"] == 0, f"not all ended well when the pod was deleted: {ends}")
        draining = next((time for time, line in relay_said if _message(line) == "draining"), None)
        expect(draining, f"the relay did not drain; it said last: {relay_said[-3:]}")
        for language in self.languages:
            ended = instant(ends[language]["finishedAt"])
            # Whole seconds, cut off: it ended at most a second later than that.
            expect(ended <= draining, f"{language} ended at {ended}, and the relay drained from {draining} on")
        self.stage.note(f"ended: {', '.join(self.languages)}, then the relay, which drained at {draining:%T.%f} and ended with 0")

    def _expect_held(self, ends):
        """The next pod was there before the log was free, and its services were not."""
        free = instant(ends[RELAY]["finishedAt"])
        waits = self._relay_said("another process uses it: waiting")
        for language in self.languages:
            started = instant(self.namespace.container(self.pod, language)["state"]["running"]["startedAt"])
            expect(started >= free, f"{language} was started at {started}, and the log was in use until {free}")
        self.stage.note(f"replaced: the next relay waited from {waits:%T} on, the log was free at {free:%T}, then its services started")

    def _ends(self, pod):
        """How all containers of a pod ended; nothing while one runs."""
        status = self.namespace.pod(pod)["status"]
        states = status["containerStatuses"] + status.get("initContainerStatuses", [])
        ends = {state["name"]: state["state"].get("terminated") for state in states}
        return ends if all(ends.values()) else None

    def _running_pod(self):
        """The name of the pod that is there to stay."""
        pods = self.namespace.pods(f"{RELAY}={self.release.full_name}")
        names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        return names[0] if len(names) == 1 else None

    def _relay_said(self, message):
        """When the relay said this first."""
        lines = self.namespace.kubectl("logs", self.pod, "-c", RELAY).splitlines()
        said = next((json.loads(line) for line in lines if _message(line) == message), None)
        expect(said, f"the relay never said {message!r}: {lines}")
        return instant(said["timestamp"])


def _message(line):
    return json.loads(line)["fields"]["message"] if line.startswith("{") else None
