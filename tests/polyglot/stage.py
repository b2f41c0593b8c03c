"""One scenario: all languages at the same time, on relays and proxies of their own, each failing for itself."""

import contextlib
import pathlib
import threading
import time
import traceback

from .certificates import Authority
from .network import Network
from .program import Program
from .proxy import Proxy
from .relay import Relay
from .waiting import Failure, expect


class Stage:
    """Gives a scenario what it plays with, and removes it afterwards."""

    def __init__(self, name, languages, directory):
        self.name = name
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        # By name, those that have not failed.
        self.languages = {language.name: language for language in languages}
        # What there is to say of a language beside its time.
        self.notes = {}
        # Why a language failed.
        self.failures = {}
        self._started = time.monotonic()
        self._seconds = {}
        self._programs = []
        self._relays = []
        self._closing = contextlib.ExitStack()

    def relay(self, name="relay", tls=None, **more):
        """A relay that is not yet started."""
        relay = Relay(self.directory / name, tls, **more)
        self._relays.append(relay)
        self._closing.callback(relay.close)
        return relay

    def authority(self, name="ca"):
        """A certificate authority."""
        return Authority(self.directory, name)

    def proxy(self, upstream):
        """A proxy that works, until it is told not to."""
        proxy = Proxy(upstream)
        self._closing.callback(proxy.close)
        return proxy

    def network(self):
        """A network of its own, with its cable in place."""
        network = Network()
        self._closing.callback(network.close)
        network.make()
        return network

    def cursor_file(self, name, which=""):
        """Where the clients of this language keep their cursor."""
        return self.directory / f"{name}{which}.cursor"

    def kept_cursor(self, name, which=""):
        """What that file holds, without the newline that has to follow it."""
        file = self.cursor_file(name, which)
        text = file.read_text() if file.exists() else ""
        expect(text.endswith("\n"), f"a cursor and a newline were expected in {file.name}; it holds {text!r}")
        return text[:-1]

    def start(self, name, **config):
        """Starts the conformance program of the language `name`."""
        stderr = self.directory / f"{name}-{len(self._programs)}.stderr"
        settings = {"consumer": f"polyglot-{name}", **{key: _plain(value) for key, value in config.items()}}
        return self.start_with(name, settings, stderr)

    def start_with(self, name, argument, stderr=None):
        """Starts it with just this argument."""
        stderr = stderr or self.directory / f"{name}-{len(self._programs)}.stderr"
        program = Program(self.languages[name], argument, stderr)
        self._programs.append(program)
        self._closing.callback(program.close)
        return program

    def each(self, step):
        """Calls `step(name)` for every language that has not failed, all at the same time, and returns what they gave.

        A failure is that language's own: the others go on.
        """
        results = {}

        def run(name):
            try:
                results[name] = step(name)
            except Failure as failure:
                self.failures[name] = str(failure)
            except Exception:
                self.failures[name] = traceback.format_exc()
            self._seconds[name] = time.monotonic() - self._started

        threads = [threading.Thread(target=run, args=(name,)) for name in self.languages]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in self.failures:
            self.languages.pop(name, None)
        return results

    def fail_all(self, why):
        """The scenario itself could not go on."""
        for name in self.languages:
            self.failures[name] = why
        self.languages = {}

    def seconds(self, name):
        """How long this language took."""
        return self._seconds.get(name, time.monotonic() - self._started)

    def report(self, name):
        """What a person needs to understand this language's failure."""
        programs = [program for program in self._programs if program.language.name == name]
        return "\n".join([f"    {self.failures[name]}", *(program.report() for program in programs[-2:])])

    def relays_report(self):
        """The last lines that the relays logged."""
        return "\n".join(f"--- {relay.directory.name} logged last:\n{relay.log_tail()}" for relay in self._relays)

    def close(self):
        """Ends what is still running."""
        self._closing.close()


def _plain(value):
    return str(value) if isinstance(value, pathlib.Path) else value
