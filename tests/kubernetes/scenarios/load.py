"""What happens to a relay in a cluster's daily life, while webhooks arrive: nothing is lost, and how long nobody answers.

A sender plays Smile: it sends again what was not answered with 2xx, at most twice, as Smile does, if with a shorter clock.
After each trouble every webhook has to be with every service, once and in one order.
"""

import concurrent.futures

from ..waiting import eventually, expect

from .. import services, shapes
from ..images import LANGUAGES
from ..node import Node
from ..release import Release, merged
from ..sender import Sender, outage
from ..small_volume import SmallVolume

RATE = 50
# Seconds between tries. Smile's are tens of them apart; whatever a relay may be away for has to be covered by two.
RETRY_DELAY = 5
# The kubelet takes its time now and then to start a container again that has failed.
RETRY_DELAY_OF_FAILED = 12
# What streams end with when the relay has been told to end: the last that it says before it goes.
FAREWELL = "shutting down"


def trouble(stage):
    """Upgrade, restart, deletion with and without grace, a drained node, a killed process, a full volume, a start on one."""
    namespace = stage.namespace()
    node = Node(stage)
    volume = SmallVolume(stage, node, namespace, "log", mebibytes=160)
    values = merged(shapes.shared(namespace), {"persistence": {"existingClaim": volume.claim}})
    release = Release(namespace, values)
    release.install()
    for language in LANGUAGES:
        namespace.service_account(f"service-{language}")
    subscribed = [stage.service(namespace, language, release) for language in LANGUAGES]
    for service in subscribed:
        namespace.await_ready(service.pod)
    scene = Scene(stage, namespace, release, subscribed)

    scene.play("upgrade", scene.upgrade, ends_well=True)
    scene.play("rollout-restart", scene.restart, ends_well=True)
    scene.play("deleted", scene.delete, ends_well=True)
    scene.play("deleted-at-once", lambda: scene.delete("--grace-period=0", "--force"))
    scene.play("node-drained", scene.drain, ends_well=True)
    scene.play("killed", lambda: scene.kill(node), retry_delay=RETRY_DELAY_OF_FAILED)
    scene.play("volume-full", lambda: scene.fill(volume))
    scene.play("replaced-full", lambda: scene.replace_on_full(volume), retry_delay=RETRY_DELAY_OF_FAILED)
    scene.draining.result()


class Scene:
    """A relay with its services, that troubles come over one after the other."""

    def __init__(self, stage, namespace, release, subscribed):
        self.stage, self.namespace, self.release, self.services = stage, namespace, release, subscribed
        self.sent, self.sender, self.draining = [], None, None
        self._pool = concurrent.futures.ThreadPoolExecutor()
        # Waits for what still runs, however the scenario went.
        stage.at_end(self._pool.shutdown)

    def play(self, name, trouble, ends_well=False, retry_delay=RETRY_DELAY):
        """Brings one trouble over the relay while webhooks arrive, and looks at what came of them. A relay that `ends_well`
        has told every service that it goes."""
        before = self.farewells()
        self.sender = sender = Sender(self.namespace, self.release.public_url, rate=RATE, run=name, retry_delay=f"{retry_delay}s", timeout="5s",
                        connections=500)  # fmt: skip
        acknowledged = sender.await_sent(RATE)
        trouble()
        self.await_ready()
        sender.await_sent(acknowledged + 2 * RATE)
        last = sender.stop()
        expect(not last["given_up_ids"], f"{name}: given up after three tries: {last['given_up']}")
        self.sent += sender.ids(last)
        services.expect_delivered(self.services, self.sent)
        if ends_well:
            mute = [str(service) for service, count in self.farewells().items() if count == before[service]]
            expect(not mute, f"{name}: the relay went away without a word to {', '.join(mute)}")
        self.stage.note(
            f"{name:<16} {last['sent']:5} webhooks, each at every service once and in order; {outage(last)}"
        )

    def farewells(self):
        """How often each service was told by the relay that it ends."""
        return {service: self._lines(service).count(FAREWELL) for service in self.services}

    def _lines(self, service):
        return self.namespace.logs(service.pod, service.container).lower()

    def pod_id(self):
        pod = self.namespace.pod(self.release.pod)
        return pod and pod["metadata"]["uid"]

    def await_ready(self):
        self.namespace.kubectl("rollout", "status", f"statefulset/{self.release.full_name}", "--timeout=120s", seconds=130)
        self.namespace.await_ready(self.release.pod)

    def upgrade(self):
        """Another setting, which makes another pod."""
        before = self.pod_id()
        self.release.values = merged(self.release.values, {"config": {"retention": "13d"}})
        self.release.install()
        expect(self.pod_id() != before, "the pod is the same after another setting")

    def restart(self):
        before = self.pod_id()
        self.namespace.kubectl("rollout", "restart", f"statefulset/{self.release.full_name}")
        self.await_other_pod(before)

    def delete(self, *how):
        before = self.pod_id()
        self.namespace.kubectl("delete", "pod", self.release.pod, *how)
        self.await_other_pod(before)

    def drain(self):
        """The node's pods are evicted, as far as budgets allow it. Of the relay alone here: the services would have to be
        made anew. As there is no other node, this one takes pods again once the relay's is gone."""
        before = self.pod_id()
        name = self.namespace.pod(self.release.pod)["spec"]["nodeName"]
        chosen = f"--pod-selector=statefulset.kubernetes.io/pod-name={self.release.pod}"
        # It goes on looking for long after the pod has gone.
        self.draining = self._pool.submit(self.namespace.kubectl, "drain", name, chosen, "--timeout=60s", seconds=70)
        try:
            self.await_other_pod(before)
        finally:
            self.namespace.kubectl("uncordon", name)

    def kill(self, node):
        """The process alone: the kubelet starts the container again, in the same pod."""
        restarts = self.restarts()
        node.kill(self.namespace, self.release.pod, "smile-relay")
        eventually("the container was restarted", lambda: self.restarts() > restarts)

    def fill(self, volume):
        """Nothing more fits on the volume, until something is removed from it."""
        restarts = self.restarts()
        self._fill(volume)
        volume.free()
        expect(self.restarts() == restarts, "a full disk restarted the relay")

    def replace_on_full(self, volume):
        """Nothing fits on the volume, and the pod is deleted meanwhile: the next relay starts on it, for those who read."""
        self._fill(volume)
        self.delete()
        eventually("a relay has started on the full volume", self._is_started)
        ready = self._state()["ready"]
        volume.free()
        expect(not ready, "the relay says that it is ready on a full volume")
        expect(self.restarts() == 0, "the relay was started more than once on a full volume")

    def _fill(self, volume):
        volume.fill()
        eventually("webhooks are refused with 503", lambda: any(line.get("status") == 503 for line in self.sender.said()))

    def _is_started(self):
        state = self._state()
        return state and state.get("started")

    def _state(self):
        return self.namespace.container(self.release.pod, "smile-relay")

    def restarts(self):
        return self._state()["restartCount"]

    def await_other_pod(self, before):
        eventually("there is a new pod", lambda: self.pod_id() not in (None, before))
