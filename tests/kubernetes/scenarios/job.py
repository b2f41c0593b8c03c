"""A Job with the relay as a sidecar is complete when its own container is, also after a relay that failed at first."""

import json
import secrets

from ..waiting import Failure, eventually, expect

from .. import charts, services, shapes
from ..images import SERVICES
from ..release import Release
from ..sender import Sender

EVENTS = 40
# The service itself goes on for ever: this ends it after so many events.
FIRST = """
import subprocess, sys
service = subprocess.Popen([sys.executable, "/app/service.py"], stdout=subprocess.PIPE, text=True)
events = 0
for line in service.stdout:
    print(line, end="", flush=True)
    events += line[0].isdigit()
    if events == int(sys.argv[1]):
        service.terminate()
        sys.exit(service.wait())
sys.exit(f"the service ended after {events} events")
"""


def completes(stage):
    """Handles some events and ends. Its relay can't start at first, as its secret is empty."""
    namespace = stage.namespace()
    namespace.secret("smile-webhook", secret="")
    release = Release(namespace, _values(), chart=charts.with_relay(charts.JOB, stage.directory), image_under=["smile-relay"])
    release.install(wait=False)
    pod = eventually("the Job has a pod", lambda: _pod(namespace, release))
    end = eventually("the relay has failed", lambda: _failed(namespace, pod), 120)
    said = namespace.logs(pod, "smile-relay", previous=True, may_fail=True) or namespace.logs(pod, "smile-relay")
    expect(end["exitCode"] == 64, f"the relay ended with {end}, and said {said}")
    waiting = namespace.container(pod, "job")["state"]
    expect("waiting" in waiting, f"the Job's container was started without a relay: {waiting}")

    namespace.secret("smile-webhook", secret=secrets.token_hex(32))
    namespace.await_ready(pod)
    sender = Sender(namespace, release.public_url, rate=20, seconds=EVENTS // 20)
    last = sender.await_end(60)
    try:
        eventually("the Job is complete", lambda: _complete(namespace, release), 90)
    except Failure as failure:
        raise Failure(f"{failure}\n{namespace.said_of(pod)}") from failure
    handled = [event.id for event in services.printed(namespace.logs(pod, "job").splitlines())]
    expect(sorted(handled) == sender.ids(last), f"the Job handled {handled}, and {sender.ids(last)} were sent")
    relay = namespace.container(pod, "smile-relay")
    expect(relay["state"]["terminated"]["exitCode"] == 0, f"the relay did not drain: {relay}")
    stage.note(
        f"the relay failed with 64 ({said.splitlines()[-1]}), {relay['restartCount']} restarts; "
        f"the Job handled {len(handled)} events and is complete, its relay has drained"
    )


def _values():
    relay = {
        **shapes.VOLUME,
        "endpoints": {"smile": {"existingSecret": "smile-webhook"}},
        "public": {"tls": {"existingSecret": "public-tls"}},
    }
    return {"image": SERVICES["python"], "command": ["python3", "-c", FIRST, str(EVENTS)], "smile-relay": relay}


def _pod(namespace, release):
    pods = namespace.pods(f"job-name={release.name}")
    return pods[0]["metadata"]["name"] if pods else None


def _failed(namespace, pod):
    """How the relay's container ended the first time."""
    state = namespace.container(pod, "smile-relay") or {}
    return state.get("lastState", {}).get("terminated") or state.get("state", {}).get("terminated")


def _complete(namespace, release):
    status = namespace.get("job", release.name)["status"]
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions", [])}
    expect("Failed" not in conditions, f"the Job failed: {json.dumps(status)}")
    return conditions.get("Complete") == "True"
