"""New secrets, certificates and authorities by kubectl apply, while webhooks arrive and services read."""

import hashlib
import json
import pathlib
import secrets
import ssl
import time

from ..waiting import eventually, expect

from .. import services, shapes
from ..delivered import Delivered
from ..forward import forwarded, metrics
from ..images import LANGUAGES, RELAY, SERVICES
from ..manifests import pod, secret, tls_secret
from ..release import Release, merged
from ..sender import Sender

# From the kubelet's delivery to a change being in force.
PROMISE = 5.0
# Delivered is when whoever watches the volume saw it. That looks every 20 ms if the node lets it, and the relay may be quicker.
LATE = 1.0
# The kubelet may look at a pod once a minute, and a bit.
DELIVERY = 150.0
RATE = 50
ENDS = "smile_relay_stream_ends_total"
ASKING = pathlib.Path(__file__).parents[1] / "asking.py"


def under_load(stage):
    """In force without a restart, no good webhook refused, no stream broken but the one that is to end."""
    namespace = stage.namespace()
    keys = Keys(stage, namespace)
    release = Release(namespace, merged(shapes.shared(namespace), keys.values()))
    release.install()
    delivered = Delivered(release)
    for language in LANGUAGES:
        namespace.service_account(f"service-{language}")
    subscribed = [stage.service(namespace, language, release) for language in LANGUAGES]
    by_certificate = _by_certificate(namespace, release)
    old = Sender(namespace, release.public_url, rate=RATE, run="old", secret="webhook-old")
    for service in subscribed:
        service.await_events(["old-000001"])
    eventually("a stream by certificate is there", lambda: '"old-000001"' in namespace.logs(by_certificate))
    said = {service: _connections(service) for service in subscribed}
    asked = Asked(namespace, release)
    asked.await_answers({"webhook-old": 200, "webhook-new": 401, "client-old": True, "client-new": False}, since=0)

    began = time.time()
    shown = keys.bring_new()
    _expect_in_force(stage, began, delivered, asked, {
        "endpoints/smile/next": ("webhook-new", 200),
        "tls/tls.crt": ("public", shown["public"]),
        "grpc-tls/tls.crt": ("grpc", shown["grpc"]),
        "grpc-client-ca/ca.crt": ("client-new", True),
    })  # fmt: skip
    new = Sender(namespace, release.public_url, rate=RATE, run="new", secret="webhook-new")
    new.await_sent(RATE)
    sent = old.ids(_all_taken(old.stop()))
    services.expect_delivered(subscribed, sent)
    _expect_unbroken(subscribed, said)
    lost = [line for line in namespace.logs(by_certificate).splitlines() if line.startswith("Waiting")]
    expect(not lost, f"the stream by certificate broke: {lost}")

    began = time.time()
    keys.remove_old()
    _expect_in_force(stage, began, delivered, asked, {
        "endpoints/smile/secret": ("webhook-old", 401),
        "grpc-client-ca/ca.crt": ("client-old", False),
    })  # fmt: skip
    new.await_sent(2 * RATE)
    sent += new.ids(_all_taken(new.stop()))
    services.expect_delivered(subscribed, sent)
    _expect_unbroken(subscribed, said)
    with forwarded(namespace, f"pod/{release.pod}", 8081) as admin:
        ended = {name: count for name, count in metrics(admin).items() if name.startswith(ENDS) and count}
    expect(ended == {ENDS + '{reason="identity_expired"}': 1}, f"streams ended: {ended}")
    started, restarts = release.started_at()
    expect(restarts == 0, f"the relay was restarted at {started}")
    stage.note(f"{len(sent)} webhooks, none refused or sent again; {len(subscribed)} streams unbroken, that of the removed "
               "authority ended; no restart")  # fmt: skip


def _expect_in_force(stage, began, delivered, asked, expected):
    """Says when each file's content was delivered by the kubelet, and when the answer was there that it is to bring."""
    in_force = asked.await_answers(dict(expected.values()), began)
    came = {}

    def all_delivered():
        came.update(delivered.after(began, expected))
        return len(came) == len(expected)

    eventually(f"{sorted(expected)} are delivered", all_delivered)
    for file, (what, _) in expected.items():
        after = in_force[what] - came[file]
        expect(-LATE <= after <= PROMISE, f"{file} was in force {after:.1f} s after the kubelet's delivery")
        stage.note(f"{file}: delivered {came[file] - began:.1f} s after kubectl apply, in force {after:.1f} s later")


def _all_taken(last):
    """A sender's last line, none of whose webhooks was refused or had to be sent again."""
    expect(not last["given_up"] and not last["repeated_tries"], f"not all webhooks were taken at once: {last}")
    return last


def _connections(service):
    """What a service says of its connection: all that is no event."""
    lines = service.namespace.logs(service.pod, service.container).splitlines()
    return [line for line in lines if line and not line[0].isdigit() and not line.startswith(" ")]


def _expect_unbroken(subscribed, said):
    """None of the services has said anything more of its connection."""
    for service in subscribed:
        now = _connections(service)
        expect(now == said[service], f"{service} lost its connection:\n{now}")


def _by_certificate(namespace, release):
    """A subscriber that shows the old client certificate: the relay's own tail. Returns its pod."""
    address = ["--address", release.grpc_address, "--ca=/ca/ca.crt"]
    shown = ["--client-cert=/client/tls.crt", "--client-key=/client/tls.key"]
    made = {
        "name": "tail", "image": RELAY, "args": ["tail", "--from-start", "--json", *address, *shown],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}, {"name": "client", "mountPath": "/client"}],
    }  # fmt: skip
    held = [{"name": "ca", "configMap": {"name": "grpc-ca"}}, _files("client", "client-old")]
    namespace.apply(pod("tail", made, volumes=held))
    namespace.await_ready("tail")
    return "tail"


def _files(name, secret_name):
    return {"name": name, "secret": {"secretName": secret_name, "defaultMode": 0o440}}


class Asked:
    """A pod that asks the relay all the time: asking.py."""

    def __init__(self, namespace, release):
        self._namespace = namespace
        held = [{"name": name, "configMap": {"name": name}} for name in ("public-ca", "grpc-ca")]
        mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in held]
        for which in ("old", "new"):
            held += [_files(f"webhook-{which}", f"webhook-{which}"), _files(f"client-{which}", f"client-{which}")]
            mounts.append({"name": f"webhook-{which}", "mountPath": f"/secrets/{which}"})
            mounts.append({"name": f"client-{which}", "mountPath": f"/clients/{which}"})
        hosts = [f"{release.full_name}{suffix}.{namespace.name}.svc" for suffix in ("-public", "")]
        command = ["python3", "-c", ASKING.read_text(), *hosts]
        made = {"name": "asking", "image": SERVICES["python"], "command": command, "volumeMounts": mounts}
        namespace.apply(pod("asking", made, volumes=held))
        namespace.await_ready("asking")

    def await_answers(self, expected, since):
        """Until each question has had this answer after a time. Returns when it was given first."""
        given = {}

        def all_given():
            for line in self._namespace.logs("asking").splitlines():
                said = json.loads(line)
                if said["at"] > since and said["answer"] == expected.get(said["what"]):
                    given.setdefault(said["what"], said["at"])
            return len(given) == len(expected)

        try:
            eventually(f"the relay answers {expected}", all_given, DELIVERY)
        except Exception:
            expect(False, f"waited {DELIVERY:g} s for {expected}, got {given}:\n{self._namespace.said_of('asking')}")
        return given


class Keys:
    """What is rotated: the webhook secret, both certificates, the authority of clients."""

    def __init__(self, stage, namespace):
        self._stage, self._namespace = stage, namespace
        self._secrets = {which: secrets.token_hex(32) for which in ("old", "new")}
        self._server = {listener: stage.certificate(namespace, listener) for listener in ("public", "grpc")}
        self._client = {which: stage.authority(f"client-{which}") for which in ("old", "new")}
        for which, authority in self._client.items():
            shown = authority.sign(f"URI:spiffe://test/{which}", usage="clientAuth")
            namespace.apply(secret(f"webhook-{which}", secret=self._secrets[which]), tls_secret(f"client-{which}", shown))
        namespace.apply(self._webhook_secrets("old", "old"), self._trusted("old"))

    def values(self):
        """Of the chart, for what is here."""
        granted = {"certificates": ["spiffe://test/*"], "endpoints": ["smile"]}
        return {
            "endpoints": {"smile": {"keys": ["secret", "next"]}},
            "grpc": {"tls": {"clientCa": {"existingSecret": "client-ca"}}},
            "identities": {"config": {"identities": {"by-certificate": granted}}},
        }

    def bring_new(self):
        """The first step, by one kubectl apply: what is new beside what is old, where both can hold. Returns the hashes of
        the new certificates by listener."""
        made, hashes = [self._webhook_secrets("old", "new"), self._trusted("old", "new")], {}
        for listener, authority in self._server.items():
            signed = authority.sign(*self._stage.names(self._namespace, listener))
            hashes[listener] = hashlib.sha256(ssl.PEM_cert_to_DER_cert(signed.certificate.read_text())).hexdigest()
            made.append(tls_secret(f"{listener}-tls", signed))
        self._namespace.apply(*made)
        return hashes

    def remove_old(self):
        """The second step."""
        self._namespace.apply(self._webhook_secrets("new", "new"), self._trusted("new"))

    def _webhook_secrets(self, first, second):
        return secret("smile-webhook", secret=self._secrets[first], next=self._secrets[second])

    def _trusted(self, *which):
        return secret("client-ca", **{"ca.crt": "".join(self._client[each].certificate.read_text() for each in which)})
