"""What people who use Kubernetes reach for: helm test, port-forward and grpcurl, logs, metrics, uninstall."""

import json

from ..waiting import Failure, eventually, expect

from .. import shapes
from ..forward import forwarded, parsed
from ..grpcurl import Grpcurl
from ..images import SERVICES
from ..manifests import pod
from ..release import Release, merged
from ..stage import AUDIENCE
from .refusals import KINDS

SCRAPE = """
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())
"""


def by_hand(stage):
    """A signed event by helm test; then it is there by port-forward and grpcurl, with a token by kubectl."""
    namespace, release, authority = _installed(stage)
    event = _tested(release)
    namespace.service_account("service-go")
    with forwarded(namespace, f"svc/{release.full_name}", 50051) as port:
        grpcurl = _grpcurl(namespace, release, port, authority)
        expect("smilerelay.v1.RelayService" in grpcurl.services(), f"reflection lists {grpcurl.services()}")
        streamed = grpcurl.events()
        expect([got["id"] for got in streamed] == [event], f"Subscribe streams {streamed}, and helm test sent {event}")
        [listed] = grpcurl.call("ListEvents", page_size=10)
        expect([got["id"] for got in listed["events"]] == [event], f"ListEvents lists {listed}, helm test sent {event}")
        forged = _grpcurl(namespace, release, port, authority, audience="another")
        _expect_refused(lambda: forged.events(), "Unauthenticated")
    stage.note(f"helm test sent {event} and saw it; so did grpcurl, through a forwarded port, with a token by kubectl")


def _installed(stage, values=None):
    namespace = stage.namespace()
    authority = stage.certificate(namespace, "grpc")
    release = Release(namespace, merged(shapes.shared(namespace), values or {}))
    release.install()
    return namespace, release, authority


def _tested(release):
    """Runs helm test. Returns the id of the event that it sent, which is that of what it shows."""
    said = release.helm("test", release.name, "--logs", "--timeout=120s")
    shown = {json.loads(line)["id"] for line in said.splitlines() if line.startswith('{"')}
    expect(len(shown) == 1, f"helm test shows {shown or 'no event'}:\n{said}")
    [event] = shown
    expect(event.startswith("helm-test-"), f"helm test shows the event {event}:\n{said}")
    return event


def _grpcurl(namespace, release, port, authority, audience=AUDIENCE):
    token = namespace.kubectl("create", "token", "service-go", f"--audience={audience}", "--duration=10m").strip()
    return Grpcurl(port, f"{release.full_name}.{namespace.name}.svc", authority.certificate, token)


def _expect_refused(call, code):
    try:
        got = call()
    except Failure as refused:
        expect(code in str(refused), f"refused, but not with {code}: {refused}")
        return
    raise Failure(f"not refused with {code}, but answered with {got}")


def helm_test_fails(stage):
    """helm test fails at a relay that grants its service account nothing, and shows why."""
    namespace = stage.namespace()
    values = shapes.shared(namespace)
    del values["identities"]["config"]["identities"]["helm-test"]
    release = Release(namespace, merged(values, {"persistence": {"ephemeral": True}}))
    release.install()
    try:
        said = release.helm("test", release.name, "--logs", "--timeout=60s")
    except Failure as failure:
        said = str(failure)
    else:
        raise Failure(f"helm test succeeds without a grant:\n{said}")
    why = namespace.logs(f"{release.full_name}-test", "get")
    expect("UNAUTHENTICATED" in why, f"helm test fails, but the pod's container get says {why}")
    stage.note(f"without a grant helm test fails: {why.strip().splitlines()[-1]}")


def looked_at(stage):
    """The log is JSON, and metrics are found by the pod's annotations."""
    values = {"metrics": {"podAnnotations": True}, "networkPolicy": {"adminFrom": [{"podSelector": {}}]}}
    namespace, release, _ = _installed(stage, merged(values, {"persistence": {"ephemeral": True}}))
    _tested(release)
    lines = namespace.kubectl("logs", f"statefulset/{release.full_name}").splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        expect({"timestamp", "level", "fields"} <= record.keys(), f"a line of the log has {record}")
    annotations = namespace.pod(release.pod)["metadata"]["annotations"]
    expect(annotations.get("prometheus.io/scrape") == "true", f"the pod has the annotations {annotations}")
    address = namespace.pod(release.pod)["status"]["podIP"]
    url = f"http://{address}:{annotations['prometheus.io/port']}{annotations['prometheus.io/path']}"
    made = {"name": "scrape", "image": SERVICES["python"], "command": ["python3", "-c", SCRAPE, url]}
    namespace.apply(pod("prometheus", made))
    namespace.await_phase("prometheus", "Succeeded")
    scraped = parsed(namespace.logs("prometheus"))
    webhooks = {name: value for name, value in scraped.items() if name.startswith("smile_relay_webhooks_total")}
    stored = sum(value for name, value in webhooks.items() if 'result="stored"' in name)
    expect(scraped.get("smile_relay_ready") == 1 and stored == 1, f"{url} says {scraped}")
    stage.note(f"{len(records)} lines of JSON in the log; {len(scraped)} series at {url}")


def uninstalled(stage):
    """helm uninstall keeps the volume, and says so; a new install of the same name goes on with its log."""
    namespace, release, authority = _installed(stage)
    namespace.service_account("service-go")
    before = [_tested(release), _tested(release)]
    said = release.uninstall()
    eventually("the relay's pod is gone", lambda: not namespace.pod(release.pod))
    name = f"{release.full_name}-log"
    expect(namespace.get("pvc", name), f"helm uninstall removed the claim {name}: {said}")
    left = [each for each in namespace.kubectl("get", KINDS, "-o", "name").split() if release.full_name in each]
    expect(left == [f"persistentvolumeclaim/{name}"], f"helm uninstall left {left}")
    expect(name in said, f"helm uninstall does not name the claim {name}: {said}")
    notes = release.install()
    expect(f"delete pvc {name}" in notes, f"the notes do not say how to remove the claim {name}:\n{notes}")
    after = _tested(release)
    with forwarded(namespace, f"svc/{release.full_name}", 50051) as port:
        streamed = [(event["sequence"], event["id"]) for event in _grpcurl(namespace, release, port, authority).events()]
    expected = [(str(place), event) for place, event in enumerate([*before, after], 1)]
    expect(streamed == expected, f"after the new install {streamed} is streamed, expected {expected}")
    said = " ".join(said.split())
    stage.note(f"helm uninstall said: {said}; installed again, it streams {len(streamed)} events, {len(before)} of before")
