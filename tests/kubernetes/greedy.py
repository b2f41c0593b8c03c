"""Senders who want a relay's memory: each sends all of a large body but its end, and waits."""

from .images import SERVICES
from .manifests import pod

# Signatures come after the body: this one only has to look like one. Whoever is cut off has seen the relay end.
_HOLD = """
import socket, ssl, sys, threading
host, connections, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
trust = ssl.create_default_context()
trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
head = (f"POST /webhooks/smile HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Type: application/json\\r\\n"
        f"Smile-Signature: {'0' * 128}\\r\\nContent-Length: {size}\\r\\n\\r\\n").encode()

def hold():
    try:
        with trust.wrap_socket(socket.create_connection((host, 443), 10)) as connection:
            connection.settimeout(60)
            connection.sendall(head)
            connection.sendall(bytes(size - 1))
            print(connection.recv(1000), flush=True)
    except OSError as error:
        print(error, flush=True)

held = [threading.Thread(target=hold) for _ in range(connections)]
for each in held: each.start()
for each in held: each.join()
"""


def take_memory(namespace, host, connections, size, name="greedy"):
    """Starts a pod that does it, and ends when the relay has."""
    command = ["python3", "-c", _HOLD, host, str(connections), str(size)]
    namespace.apply(pod(name, {"name": "greedy", "image": SERVICES["python"], "command": command}))
