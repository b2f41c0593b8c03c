"""The settings without which no stream comes about, and those that say who may have one, and how many.

They are the proxy's own matter, so that one language is enough: the first.
"""

import subprocess
import time

from polyglot.relay import ROOT
from polyglot.waiting import PATIENCE, expect

from ..haproxy import HAProxy
from ..nginx import Nginx

# These can't work. The client says so, and tries again. The names are those in the relay's certificate.
WITHOUT_HTTP2 = {
    Nginx: ("listen without http2", [(" ssl http2;", " ssl;")]),
    # Newer ones offer h2 unless told otherwise.
    HAProxy: ("bind without h2 in alpn", [("pem alpn h2", "pem alpn http/1.1")]),
}
WITHOUT_HTTP2_TO_RELAY = {HAProxy: ("server without proto h2", [(" proto h2", "")])}
OTHER_NAME = {
    Nginx: ("another name than grpc_ssl_name", [("grpc_ssl_name relay.internal", "grpc_ssl_name other")]),
    HAProxy: ("another name than sni", [("sni str(relay.internal)", "sni str(other)")]),
}  # fmt: skip
UNVERIFIED = {
    Nginx: ("any certificate without grpc_ssl_verify on",
            [("grpc_ssl_name relay.internal", "grpc_ssl_name other"), ("grpc_ssl_verify on;", "")]),
}  # fmt: skip

# As few as make three streams possible, and not four.
CONNECTIONS = {
    Nginx: ("worker_connections", [("events {}", "events { worker_connections 10; }")]),
    HAProxy: ("maxconn", [("hard-stop-after 1h", "hard-stop-after 1h\n    maxconn 3")]),
}
STREAMS = 3


def that_matter(scene):
    plain, tls = scene.relay("plain"), scene.relay("tls", tls=True)
    _never_connects(scene, plain, *WITHOUT_HTTP2[scene.kind])
    if scene.kind in WITHOUT_HTTP2_TO_RELAY:
        _never_connects(scene, plain, *WITHOUT_HTTP2_TO_RELAY[scene.kind])
    _never_connects(scene, tls, *OTHER_NAME[scene.kind], tls_to_relay=True)
    if scene.kind in UNVERIFIED:
        _connects(scene, tls, *UNVERIFIED[scene.kind], tls_to_relay=True)
    _connects(scene, plain, "a Unix socket to the relay", {
        Nginx: [(f"grpc://{plain.grpc}", f"grpc://unix:{plain.socket}")],
        HAProxy: [(f"server relay {plain.grpc}", f"server relay unix@{plain.socket}")],
    }[scene.kind])  # fmt: skip
    _lets_in_by_certificate(scene, plain)
    _holds_so_many(scene, plain, *CONNECTIONS[scene.kind])


def _client(scene, ingress):
    return scene.subscribe(next(iter(scene.languages)), ingress, backoff_max_ms=400)


def _never_connects(scene, relay, what, changes, **more):
    client = _client(scene, scene.ingress(relay, changes, **more))
    lost = client.until_lost(3)
    expect(not client.said("connected"), f"{what}: it is connected all the same")
    client.stop()
    scene.remarks.append(f"{what}: {lost['code']}, again and again")


def _connects(scene, relay, what, changes, **more):
    client = _client(scene, scene.ingress(relay, changes, **more))
    client.until_connected()
    client.stop()
    scene.remarks.append(f"{what}: connected")


def _lets_in_by_certificate(scene, relay):
    certificate, key = scene.directory / "caller.pem", scene.directory / "caller.key"
    made = subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=caller", "-addext", "extendedKeyUsage=clientAuth",
            "-keyout", key, "-out", certificate,
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    expect(made.returncode == 0, f"openssl req: {made.stderr}")
    ingress = scene.ingress(relay, {
        Nginx: [(" ssl http2;", f" ssl http2; ssl_client_certificate {certificate}; ssl_verify_client on;")],
        HAProxy: [("pem alpn h2", f"pem alpn h2 ca-file {certificate} verify required")],
    })  # fmt: skip
    with_it = _get_info(scene, ingress, "-cert", certificate, "-key", key)
    expect(with_it.returncode == 0, f"a caller with its certificate was refused: {with_it.stderr}")
    without = _get_info(scene, ingress)
    expect(without.returncode != 0, f"a caller without a certificate got in: {without.stdout}")
    scene.remarks.append("client certificates: who has none is refused")


def _get_info(scene, ingress, *more):
    return subprocess.run(
        [
            # It tries again to connect until that time is over, also where it is refused.
            "grpcurl", "-cacert", scene.ca.certificate, "-connect-timeout", "3", "-max-time", str(PATIENCE), *more,
            "-import-path", ROOT / "proto", "-proto", "smilerelay/v1/service.proto",
            ingress.streams, "smilerelay.v1.RelayService/GetRelayInfo",
        ],
        capture_output=True, text=True,
    )  # fmt: skip


def _holds_so_many(scene, relay, what, changes):
    ingress = scene.ingress(relay, changes)
    clients = [_client(scene, ingress) for _ in range(STREAMS)]
    for client in clients:
        client.until_connected()
    one_more = _client(scene, ingress)
    # Passes time, and does not synchronise: that nothing happens is what is wanted here.
    time.sleep(1.5)
    expect(not one_more.said("connected"), f"{what}: a stream more than expected")
    clients.pop().stop()
    one_more.until_connected()
    one_more.stop()
    for client in clients:
        expect(not client.said("lost"), f"{what}: a stream was lost for another: {client.said('lost')}")
        client.stop()
    codes = {line["code"] for line in one_more.said("lost")}
    scene.remarks.append(f"{what}: one stream too many waits ({', '.join(codes) or 'and hears nothing'})")
