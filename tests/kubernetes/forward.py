"""`kubectl port-forward`: a port of the cluster on this machine, while a scenario needs it."""

import contextlib
import re
import subprocess
import tempfile
import urllib.request

from .waiting import eventually

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def forwarded(namespace, target, port):
    """A free port here that leads to `port` of a `target` such as svc/relay."""
    command = ["kubectl", "-n", namespace.name, "port-forward", "--address=127.0.0.1", target, f":{port}"]
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said, stderr=said) as running:

        def local_port():
            said.seek(0)
            text = said.read()
            found = _FORWARDING.search(text)
            return found and int(found[1]), text

        try:
            eventually(f"{' '.join(command)} forwards", lambda: local_port()[0] or running.poll() is not None, 30)
            here, text = local_port()
            if not here:
                raise RuntimeError(f"{' '.join(command)}: {text}")
            yield here
        finally:
            running.terminate()


def metrics(port):
    """What /metrics on a forwarded admin port says, by name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return parsed(answer.read().decode())


def parsed(text):
    """Prometheus' text as a dictionary: `name{labels}` to its value."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}
