"""Runs in a pod: asks a relay again and again what it takes and shows, and prints a line of JSON for each answer that changed.

What it asks: a webhook signed with each secret below /secrets; the certificate that each listener shows; whether it lets a
client in with each certificate below /clients. Answers are of new connections.
"""

import hashlib
import hmac
import http.client
import itertools
import json
import pathlib
import ssl
import socket
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and an empty SETTINGS frame


def main():
    public, grpc = sys.argv[1:]
    questions = {"public": lambda: shown(public, 443), "grpc": lambda: shown(grpc, 50051)}
    for secret in pathlib.Path("/secrets").iterdir():
        questions[f"webhook-{secret.name}"] = lambda secret=secret: webhook(public, (secret / "secret").read_bytes())
    for client in pathlib.Path("/clients").iterdir():
        questions[f"client-{client.name}"] = lambda client=client: let_in(grpc, client)
    last = {}
    while True:
        for what, ask in questions.items():
            answer = ask()
            if answer != last.get(what):
                print(json.dumps({"at": time.time(), "what": what, "answer": answer}), flush=True)
                last[what] = answer
        time.sleep(0.1)


_numbers = itertools.count(1)


def webhook(host, secret):
    """The status that a webhook with this secret gets. What is good becomes an event."""
    event = {"id": f"asked-{next(_numbers)}", "type": "USER_CREATED", "data": {"userId": "u-1"}}
    body = json.dumps(event).encode()
    headers = {"Smile-Signature": hmac.new(secret, body, hashlib.sha512).hexdigest(), "Content-Type": "application/json"}
    trust = ssl.create_default_context(cafile="/public-ca/ca.crt")
    connection = http.client.HTTPSConnection(host, 443, context=trust, timeout=10)
    try:
        connection.request("POST", "/webhooks/smile", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def shown(host, port):
    """The certificate, by its hash."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, port)))).hexdigest()


def let_in(host, client):
    """Whether gRPC goes on after the handshake: whether a certificate is good is said after it."""
    trust = ssl.create_default_context(cafile="/grpc-ca/ca.crt")
    trust.load_cert_chain(client / "tls.crt", client / "tls.key")
    trust.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((host, 50051), timeout=10) as plain, trust.wrap_socket(plain, server_hostname=host) as tls:
            tls.sendall(PREFACE)
            return bool(tls.recv(9))
    except (ssl.SSLError, ConnectionError):
        return False


main()
