"""Webhooks through the proxy, which ends HTTPS: no byte and no signature is changed, up to 16 MiB."""

import base64
import gzip
import hashlib
import hmac
import http.client
import os
import ssl

from polyglot.relay import SECRET
from polyglot.waiting import PATIENCE, expect

from ..nginx import Nginx

MIB = 1 << 20
LIMIT = 16 * MIB
TO_DISK = "is buffered to a temporary file"


def unchanged(scene):
    relay = scene.relay()
    ingress = scene.ingress(relay)
    for what, body, more in (
        ("odd spaces and an unknown type", b' {"id":"w-1", "type": "NEW" ,\r\n\t"data":null}\n', {}),
        ("no JSON at all", bytes(range(256)), {}),
        ("gzip", gzip.compress(b'{"id":"w-2"}'), {"headers": {"Content-Encoding": "gzip"}}),
        ("more than 1 MiB", os.urandom(MIB + 1), {}),
        ("16 MiB", os.urandom(LIMIT), {}),
        ("16 MiB in chunks", os.urandom(LIMIT), {"in_chunks": True}),
    ):
        _expect_stored(scene, relay, ingress, what, body, **more)

    stored = relay.info()["latestSequence"]
    body = b'{"id":"w-3"}'
    _expect_answer("a wrong signature", post(scene, ingress, body, signature="00" * 64), 401)
    # It is answered before its body has come. If the relay did not read on, a third of them would be a 502 of nginx's, or
    # nothing at all from HAProxy.
    for _ in range(10):
        _expect_answer("no signature", post(scene, ingress, os.urandom(4 * MIB), signature="none"), 401)
    # The sender still sends when the answer comes, and may see nothing of it but a closed connection.
    _expect_answer("a byte too much", post(scene, ingress, os.urandom(LIMIT + 1)), 413, None)
    relay.kill()
    _expect_answer("a relay that is away", post(scene, ingress, body), 502, 503)
    relay.start()
    expect(relay.info()["latestSequence"] == stored, "something was stored that was refused")
    _expect_stored(scene, relay, ingress, "the same body, sent again", body)

    if scene.kind is Nginx:
        _lines_of_nginx(scene, relay, ingress)
    scene.remarks.append("up to 16 MiB, each byte as it was signed")


def _lines_of_nginx(scene, relay, ingress):
    """What each line of the page is for, by leaving it out."""
    large = os.urandom(MIB + 1)
    expect(TO_DISK not in ingress.log(), "a body was written to the disk")

    ingress.replace([("client_max_body_size 16m;", "")])
    _expect_answer("more than 1 MiB without client_max_body_size", post(scene, ingress, large), 413, None)

    ingress.replace([("proxy_request_buffering off;", "")])
    _expect_stored(scene, relay, ingress, "a buffered body", large)
    expect(ingress.log().count(TO_DISK) == 1, "without proxy_request_buffering off, it was not written to the disk")

    ingress.replace([("proxy_http_version 1.1;", "")])
    _expect_stored(scene, relay, ingress, "chunks for HTTP/1.0", large, in_chunks=True)
    expect(ingress.log().count(TO_DISK) == 2, "without proxy_http_version 1.1, chunks were not written to the disk")


def _expect_stored(scene, relay, ingress, what, body, **more):
    # A 200 says that the signature is that of the bytes that arrived. Larger ones take grpcurl seconds to print.
    _expect_answer(what, post(scene, ingress, body, **more), 200)
    if len(body) > 2 * MIB:
        return
    newest = {"sequence": relay.info()["latestSequence"], "include_raw_body": True}
    event = relay.call("GetEvent", newest)["event"]
    expect(base64.b64decode(event["rawBody"]) == body, f"{what}: the relay has stored other bytes than were sent")
    expect(event["signature"] == _signature(body), f"{what}: the relay has stored another signature than was sent")


def _expect_answer(what, answer, *expected):
    expect(answer in expected, f"{what}: {' or '.join(map(str, expected))} was expected; got {answer}")


def post(scene, ingress, body, signature=None, headers=None, in_chunks=False, source=None):
    """The status of the answer; None if the connection was closed while the body was sent. `source` is the sender's address."""
    trusting = ssl.create_default_context(cafile=scene.ca.certificate)
    connection = http.client.HTTPSConnection(
        ingress.public, timeout=PATIENCE, context=trusting, source_address=source and (source, 0)
    )
    pieces = (body[at : at + 65536] for at in range(0, len(body), 65536))
    try:
        connection.request(
            "POST",
            "/webhooks/smile",
            pieces if in_chunks else body,
            {"Smile-Signature": signature or _signature(body), **(headers or {})},
            encode_chunked=in_chunks,
        )
        return connection.getresponse().status
    except (ConnectionError, ssl.SSLEOFError, http.client.RemoteDisconnected):
        return None
    finally:
        connection.close()


def _signature(body):
    return hmac.new(SECRET.encode(), body, hashlib.sha512).hexdigest()
