"""A relay on a volume that another relay holds: it waits for a bounded time, says so, and takes over."""

import json

from ..waiting import eventually, expect

from .. import shapes
from ..release import Release, merged
from ..sender import Sender

RATE = 20
SHORT = 5
DATA_DIR = "/var/lib/smile-relay/log"


def handed_over(stage):
    """A second relay waits for the first. A third that waits for a short time only ends, is started again, and takes over
    from the second."""
    namespace = stage.namespace()
    namespace.apply(_claim("log"))
    first = _relay(namespace, "first")
    first.install()
    sent = Sender(namespace, first.public_url, rate=RATE, seconds=3, ca=None).await_end(60)
    expect(not sent["given_up"], f"given up: {sent['given_up']}")

    second = _relay(namespace, "second")
    second.install(wait=False)
    _await_waiting(namespace, second)
    expect(not namespace.container(second.pod, "smile-relay")["ready"], "a relay without a log is ready")
    first.uninstall()
    namespace.await_ready(second.pod)
    expect(namespace.container(second.pod, "smile-relay")["restartCount"] == 0, "the relay did not wait, it was restarted")
    _expect_log(namespace, second, sent["sent"])
    stage.note("waited for the log, not ready, and took over when it was free, with all events")

    third = _relay(namespace, "third", {"lockTimeoutSeconds": SHORT})
    third.install(wait=False)
    said = _await_given_up(namespace, third)
    second.uninstall()
    namespace.await_ready(third.pod)
    _expect_log(namespace, third, sent["sent"])
    stage.note(f"after {SHORT} s: {said}; started again, it took over")


def _relay(namespace, name, values=None):
    """A release on the claim, which anybody may read from."""
    open_to_all = {
        "endpoints": {"smile": {"existingSecret": "smile-webhook"}},
        "public": {"tls": {"existingSecret": "public-tls"}},
        "grpc": {"insecurePlaintext": True},
        "persistence": {"existingClaim": "log"},
    }
    return Release(namespace, merged(open_to_all, values or {}), name=name)


def _claim(name):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": shapes.VOLUME["persistence"]["size"]}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def _await_waiting(namespace, relay):
    """Its log says that it waits, and so does its readiness."""
    eventually("the second relay says that it waits", lambda: "another process uses it: waiting" in namespace.logs(relay.pod, may_fail=True))
    unready = namespace.kubectl("exec", relay.pod, "--", "smile-relay", "healthcheck", may_fail=True)
    expect(unready is None, f"the relay is ready without a log: {unready}")


def _await_given_up(namespace, relay):
    """The kubelet starts it again after it has ended with 1. Returns what it said last."""

    def ended():
        state = namespace.container(relay.pod, "smile-relay")
        return state and state["restartCount"] and state["lastState"].get("terminated")

    end = eventually("the third relay gave up and was started again", ended)
    said = namespace.logs(relay.pod, previous=True, may_fail=True).splitlines()
    expect(end["exitCode"] == 1, f"it ended with {end}, and said {said[-3:]}")
    expect(said and f"{DATA_DIR}: another process uses it" in said[-1], f"it does not say why it ended: {said[-3:]}")
    return said[-1]


def _expect_log(namespace, relay, count):
    """The relay streams what the one before has stored."""
    listed = namespace.kubectl("exec", relay.pod, "--", "smile-relay", "events", "list", "--all", "--json")
    ids = [json.loads(line)["id"] for line in listed.splitlines()]
    expect(len(ids) == len(set(ids)) == count, f"{relay.name} lists {len(ids)} events, {len(set(ids))} of them different, of {count}")
