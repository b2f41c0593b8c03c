"""Who is not let in by a relay for services in pods of their own.

No cluster makes a service account's token that lasts less than ten minutes, and its key is out of reach. So the token that
has expired is of an issuer of the test's own, which the relay trusts beside the cluster; one that has not is let in.
"""

import json

from ..waiting import eventually, expect

from .. import shapes
from ..forward import forwarded, metrics
from ..images import RELAY
from ..issuer import NAME, Issuer
from ..manifests import pod, token_volume
from ..release import Release, merged
from ..sender import Sender
from ..stage import AUDIENCE

DENIALS = "smile_relay_identity_denials_total"


def tokens(stage):
    """A wrong audience, an expired token and a service account without a grant are refused; so is what is not granted."""
    namespace = stage.namespace()
    issuer = Issuer(stage.directory)
    release = Release(namespace, merged(shapes.shared(namespace), _trusting(namespace, issuer)))
    release.install()
    for account in ("service-go", "service-java", "nobody"):
        namespace.service_account(account)
    tokens = {name: issuer.token("service", AUDIENCE, lasts) for name, lasts in {"good": 3600, "expired": -60}.items()}
    for name, token in tokens.items():
        namespace.secret(f"token-{name}", token=token)
    refused = {
        "bad_token": stage.service(namespace, "go", release, token=token_volume("token", "another")),
        "no_identity": stage.service(namespace, "node", release, account="nobody"),
        "expired_token": stage.service(namespace, "java", release, token=_kept("token-expired")),
    }
    let_in = stage.service(namespace, "python", release, account="nobody", token=_kept("token-good"))
    sender = Sender(namespace, release.public_url, rate=10, seconds=2)
    let_in.await_events(sender.ids(sender.await_end(60)))
    for reason, service in refused.items():
        _expect_unauthenticated(service, reason)
    _expect_permission_denied(namespace, release)
    _expect_told(stage, namespace, release, [*refused, "not_granted"])


def _trusting(namespace, issuer):
    """Values for the chart: the relay knows the keys of that issuer, too."""
    namespace.config_map("issuer", **{"jwks.json": issuer.jwks})
    known = {"issuer": NAME, "audiences": [AUDIENCE], "jwks-file": "/issuer/jwks.json"}
    identity = {"jwt": [{"issuer": "own", "subjects": ["service"]}], "endpoints": ["smile"]}
    return {
        "identities": {"config": {"issuers": {"own": known}, "identities": {"own": identity}}},
        "extraVolumes": [{"name": "issuer", "configMap": {"name": "issuer"}}],
        "extraVolumeMounts": [{"name": "issuer", "mountPath": "/issuer", "readOnly": True}],
    }


def _kept(name):
    """A token that the test has put into a Secret."""
    return {"name": "token", "secret": {"secretName": name, "defaultMode": 0o440}}


def _expect_unauthenticated(service, reason):
    """It is told so, tries again as all packages do with a token file, and gets nothing."""

    def told():
        log = service.namespace.logs(service.pod, service.container, may_fail=True)
        return log.upper().count("UNAUTHENTICATED") >= 2

    eventually(f"{service} is told twice that it is unauthenticated ({reason})", told)
    expect(not service.events(), f"{service} ({reason}) got {service.events()[:3]}")


def _expect_permission_denied(namespace, release):
    """An identity that is known asks for bodies that it is not granted. The relay's own command ends with that."""
    made = {
        "name": "tail",
        "image": RELAY,
        "args": ["tail", "--from-start", "--raw", "--address", release.grpc_address, "--ca=/ca/ca.crt", "--token-file=/token/token"],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}, {"name": "token", "mountPath": "/token"}],
    }
    held = [{"name": "ca", "configMap": {"name": "grpc-ca"}}, token_volume("token", AUDIENCE)]
    namespace.apply(pod("raw", made, volumes=held, account="service-java"))
    namespace.await_phase("raw", "Failed")
    log = namespace.logs("raw")
    expect("PERMISSION_DENIED" in log, f"tail --raw ended with:\n{log}")


def _expect_told(stage, namespace, release, reasons):
    """The relay's log and metrics say why."""
    lines = [json.loads(line)["fields"] for line in namespace.logs(release.pod).splitlines()]
    with forwarded(namespace, f"pod/{release.pod}", 8081) as port:
        counted = metrics(port)
    for reason in reasons:
        said = next((line for line in lines if line.get("reason") == reason), None)
        expect(said, f"the relay's log has no denial for {reason}")
        count = counted.get(f'{DENIALS}{{reason="{reason}"}}', 0)
        expect(count >= 1, f"{DENIALS} has no {reason}: {counted}")
        stage.note(f"{reason} ({count:g} times): {said['message']}")
