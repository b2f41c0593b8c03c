"""The real relay, on ports and in a directory that it keeps when it is killed and started again."""

import http.client
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading

from .waiting import PATIENCE, Failure, eventually, expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / os.environ.get("SMILE_RELAY_BIN", "target/release/smile-relay")
SECRET = "a-secret-for-polyglot"


def clean_environment():
    """This process's environment without what would change a relay's or a client's behaviour."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SMILE_RELAY_") and not name.lower().endswith("_proxy")
    }


# Ports that were handed out; with a lock, as languages run side by side.
_given = set()
_giving = threading.Lock()


def free_port():
    """A port that nobody uses, handed out once, below those that the kernel gives to outgoing connections.

    A client that tries again and again to reach a port of that range, while nobody listens there, can connect to
    itself, and then nobody can listen there either.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with _giving:
            if port in _given:
                continue
            _given.add(port)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Relay:
    """A relay. `tls` is a certificates.Identity for its gRPC listener, which is in plaintext without one.

    Its ports are those of the network in which `start` is called. Its socket is a file, and can be reached from any.
    """

    # How its public listener is secured.
    PUBLIC_SECURITY = "--tls-self-signed"

    def __init__(self, directory, tls=None, grpc_host="127.0.0.1"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.data = self.directory / "data"
        self.secret_file = self.directory / "secret"
        self.secret_file.write_text(SECRET + "\n")
        self.log_file = self.directory / "relay.log"
        self.public, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.grpc = f"{grpc_host}:{free_port()}"
        self.socket = self.directory / "relay.sock"
        # Off loopback as well, and everybody may call.
        anonymous = ["--insecure-grpc-anonymous"]
        self._tls = ["--grpc-tls-cert", tls.certificate, "--grpc-tls-key", tls.key, *anonymous] if tls else []
        self._process = None

    def start(self, *more):
        """Starts it with these flags in addition, and waits until it is ready."""
        command = [
            BINARY, "serve", self.PUBLIC_SECURITY, "--allow-any-filesystem", "--log-format", "json",
            "--public-listen", self.public, "--admin-listen", self.admin,
            "--grpc-listen", self.grpc, "--grpc-listen", f"unix:{self.socket}", *self._tls,
            "--webhook-secret-file", self.secret_file, "--data-dir", self.data, *more,
        ]  # fmt: skip
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
            )
        eventually("the relay is ready", self._is_ready)
        return self

    def _is_ready(self):
        if self._process.poll() is not None:
            raise Failure(f"the relay ended with {self._process.returncode}:\n{self.log_tail()}")
        try:
            status, _ = self._ask_admin("/readyz")
        except OSError:
            return False
        return status == 200

    def _ask_admin(self, path):
        admin = http.client.HTTPConnection(self.admin, timeout=PATIENCE)
        try:
            admin.request("GET", path)
            response = admin.getresponse()
            return response.status, response.read().decode()
        finally:
            admin.close()

    def streams(self):
        """How many streams are open, by its own count."""
        _, metrics = self._ask_admin("/metrics")
        return int(re.search(r"^smile_relay_streams (\d+)", metrics, re.MULTILINE)[1])

    def kill(self):
        """As kill -9."""
        self._process.kill()
        self._process.wait()

    def drain(self):
        """SIGTERM, and waits for its end, which has to be a good one."""
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"the relay did not drain within {PATIENCE:g} s") from None
        expect(code == 0, f"the relay ended with {code} after draining")

    def close(self):
        """Ends it, whatever its state."""
        if self._process and self._process.poll() is None:
            self.kill()

    def log_tail(self, lines=20):
        """The last lines that it logged."""
        text = self.log_file.read_text() if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def call(self, method, request, max_bytes=64 << 20):
        """A unary call by grpcurl, over the socket, as that is in plaintext always. Returns its JSON."""
        done = subprocess.run(
            [
                "grpcurl", "-plaintext", "-max-msg-sz", str(max_bytes), "-max-time", str(PATIENCE),
                "-d", json.dumps(request), f"unix://{self.socket}", f"smilerelay.v1.RelayService/{method}",
            ],
            capture_output=True, text=True, env=clean_environment(),
        )  # fmt: skip
        expect(done.returncode == 0, f"grpcurl {method} {request}: {done.stderr}")
        return json.loads(done.stdout)

    def info(self):
        """What GetRelayInfo says."""
        return self.call("GetRelayInfo", {})
