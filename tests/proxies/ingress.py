"""A proxy in front of a relay: its process, started, reloaded and killed."""

import os
import pathlib
import signal
import socket
import subprocess

from polyglot.relay import clean_environment, free_port
from polyglot.waiting import PATIENCE, Failure, eventually


class Ingress:
    """What both proxies have in common. `changes` are (old, new) pieces of the page's configuration.

    `public` is where webhooks go, named as a relay's, so that those who send to a relay can send to a proxy.
    """

    # The name of the program, which is the Debian package's too.
    PROGRAM: str
    # What makes it read its configuration again.
    RELOAD: signal.Signals

    def __init__(self, directory, relay, authority, identity, changes=(), tls_to_relay=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.log_file = self.directory / "log"
        self.public, self.streams = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.relay, self.authority, self.identity = relay, authority, identity
        self.changes, self.tls_to_relay = tuple(changes), tls_to_relay
        self._process = None

    @classmethod
    def version(cls):
        """As the program says it."""
        said = subprocess.run([cls.PROGRAM, "-v"], capture_output=True, text=True)
        return (said.stdout + said.stderr).splitlines()[0]

    def configuration(self):
        """Path and text of the file that it is started with."""
        raise NotImplementedError

    def command(self, path):
        """What starts it in the foreground, with a process of its own that can be told to reload."""
        raise NotImplementedError

    def start(self):
        """Starts it, and waits until it accepts connections."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(self._write()),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(),
                # A group of its own: master and workers can be killed at once.
                start_new_session=True,
            )  # fmt: skip
        eventually(f"{self.PROGRAM} accepts connections", self._is_accepting)
        return self

    def _write(self):
        path, text = self.configuration()
        path.write_text(text)
        return path

    def _is_accepting(self):
        if self._process.poll() is not None:
            raise Failure(f"{self.PROGRAM} ended with {self._process.returncode}:\n{self.log_tail()}")
        for address in (self.public, self.streams):
            host, port = address.split(":")
            try:
                socket.create_connection((host, int(port)), PATIENCE).close()
            except OSError:
                return False
        return True

    def reload(self, changes=None):
        """Tells it to read its configuration again, with other changes if given, and waits for the new worker.

        The one before accepts connections for a moment longer, and stays while it has streams.
        """
        if changes is not None:
            self.changes = tuple(changes)
        self._write()
        before = self.workers()
        self._process.send_signal(self.RELOAD)
        eventually(f"{self.PROGRAM} has a new worker", lambda: self.workers() - before)

    def replace(self, changes=None):
        """Reloads it, and waits until the worker before has left."""
        before = self.workers()
        self.reload(changes)
        eventually(f"the old worker of {self.PROGRAM} has left", lambda: not before & self.workers())

    def workers(self):
        """The process ids of its workers, also of those that are on their way out."""
        pid = self._process.pid
        return {int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def kill(self):
        """As kill -9, of master and workers."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self):
        """Ends it, whatever its state."""
        if self._process and self._process.poll() is None:
            self.kill()

    def log(self):
        """All that it logged."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_tail(self, lines=12):
        """The last lines that it logged."""
        return "\n".join(self.log().splitlines()[-lines:])
