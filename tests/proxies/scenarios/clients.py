"""Whom a webhook is from, through the proxy: nobody can choose it, and the relay knows it only from whom it trusts."""

from polyglot.waiting import expect

from ..haproxy import HAProxy
from ..nginx import Nginx
from .webhooks import post

FRIEND, STRANGER = "127.0.0.9", "127.0.0.8"
FENCED = ("--allow-peers", FRIEND)
TRUSTING = (*FENCED, "--trusted-proxy", "127.0.0.1")
FORGED = {"X-Forwarded-For": FRIEND}
# The line of the page without which the client's own header is passed on as it came.
HEADER = {
    Nginx: "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    HAProxy: "option forwardfor",
}


def known(scene):
    relay = scene.relay("trusting", flags=TRUSTING)
    ingress = scene.ingress(relay)
    _tells_apart(scene, ingress, "X-Forwarded-For")

    ingress.replace([(HEADER[scene.kind], "")])
    _expect(scene, ingress, "a forged header that the proxy passes on", STRANGER, FORGED, 200)

    untrusting = scene.ingress(scene.relay("untrusting", flags=FENCED))
    _expect(scene, untrusting, "a proxy that is not trusted", FRIEND, None, 403)

    if scene.kind is HAProxy:
        relay = scene.relay("protocol", flags=(*TRUSTING, "--proxy-protocol"))
        for option in ("send-proxy-v2", "send-proxy"):
            server = f"server relay {relay.public}"
            ingress = scene.ingress(relay, [(server, f"{server} {option}"), (HEADER[HAProxy], "")])
            _tells_apart(scene, ingress, option)
        without = scene.ingress(relay)
        _expect(scene, without, "a proxy that does not speak the PROXY protocol", FRIEND, None, 502)
    scene.remarks.append("the client's address, which it can't choose")


def _tells_apart(scene, ingress, how):
    _expect(scene, ingress, f"{how}: a friend", FRIEND, None, 200)
    _expect(scene, ingress, f"{how}: a stranger", STRANGER, None, 403)
    _expect(scene, ingress, f"{how}: a stranger with a forged header", STRANGER, FORGED, 403)


def _expect(scene, ingress, what, source, headers, expected):
    status = post(scene, ingress, b'{"id":"c-1"}', source=source, headers=headers)
    expect(status == expected, f"{what}: {expected} was expected; got {status}")
