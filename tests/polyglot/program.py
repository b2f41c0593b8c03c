"""One run of a language's conformance program."""

import json
import pathlib
import signal
import subprocess
import threading
import time

from .relay import ROOT, clean_environment
from .waiting import PATIENCE, Failure, expect


class Program:
    """Starts at once. Everything it prints is kept, and whoever waits for it is woken."""

    def __init__(self, language, config, stderr_file):
        self.language, self.config = language, config
        self.lines = []
        self.events = []
        self._times = []
        self._changed = threading.Condition()
        self._is_at_end = False
        self._stderr_file = pathlib.Path(stderr_file)
        argument = config if isinstance(config, str) else json.dumps(config)
        with self._stderr_file.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*language.command, argument],
                cwd=ROOT,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for text in self._process.stdout:
            now = time.monotonic()
            try:
                line = json.loads(text)
                assert isinstance(line, dict) and len(line) == 1
            except (ValueError, AssertionError):
                line = {"not_of_the_protocol": text.decode(errors="replace").rstrip()}
            with self._changed:
                self.lines.append(line)
                self._times.append(now)
                if "event" in line:
                    self.events.append(line["event"])
                self._changed.notify_all()
        with self._changed:
            self._is_at_end = True
            self._changed.notify_all()

    def said(self, kind):
        """All lines of this kind so far: "connected", "lost", "gap", "end"."""
        return [line[kind] for line in list(self.lines) if kind in line]

    def times(self, kind):
        """When those lines came."""
        return [at for line, at in zip(list(self.lines), self._times, strict=False) if kind in line]

    def until(self, what, condition, seconds=PATIENCE):
        """Waits until `condition` gives something true, and returns it. Asked again after each line."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := condition()):
                if self._is_at_end:
                    raise Failure(f"it ended while the test waited until {what}")
                if not self._changed.wait(max(0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise Failure(f"waited {seconds:g} s until {what}")
            return value

    def until_connected(self, times=1, seconds=PATIENCE):
        """Waits until it has been connected so many times since its start."""
        self.until(f"it is connected ({times})", lambda: len(self.said("connected")) >= times, seconds)

    def until_lost(self, times=1, seconds=PATIENCE):
        """Waits until it has lost its stream so many times since its start. Returns the last of those lines."""
        what = f"it says that the stream is lost ({times})"
        return self.until(what, lambda: self.said("lost")[times - 1 : times], seconds)[0]

    def until_events(self, count, seconds=PATIENCE):
        """Waits until it has printed so many events."""
        what = f"it has printed {count} events"
        try:
            self.until(what, lambda: len(self.events) >= count, seconds)
        except Failure as failure:
            raise Failure(f"{failure}; it has printed {len(self.events)}") from None

    def stop(self, seconds=PATIENCE, by=signal.SIGTERM):
        """Asks it to stop, and checks that it does as it should. Returns the end line."""
        self._process.send_signal(by)
        return self.until_end("stopped", seconds=seconds)

    def kill(self):
        """As kill -9."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def until_end(self, how, code="", reason="", seconds=PATIENCE):
        """Waits for its end, and checks the end line and the exit code. Returns the end line."""
        exit_code = self.until_exit(seconds)
        ends = self.said("end")
        expect(len(ends) == 1 and "end" in self.lines[-1], f"one end line was expected, as the last; got {ends}")
        (end,) = ends
        for name, wanted in (("how", how), ("code", code), ("reason", reason)):
            expect(end.get(name) == wanted, f"end: {name} {wanted!r} was expected; got {end}")
        wanted = 1 if how == "failed" else 0
        expect(exit_code == wanted, f"exit code {wanted} was expected; got {exit_code}")
        expect(end.get("message") or how != "failed", f"an error has to say what is the matter; got {end}")
        expect(end["events"] == len(self.events), f"end: {len(self.events)} events were printed; got {end}")
        return end

    def until_exit(self, seconds=PATIENCE):
        """Waits for its end, whatever that is. Returns the exit code."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"it did not end within {seconds:g} s") from None
        self._reader.join(PATIENCE)
        return code

    def has_ended(self):
        """Whether the process is gone."""
        return self._process.poll() is not None

    def memory(self):
        """(resident now, resident at most), in bytes, of the process."""
        try:
            status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            raise Failure("it ended too early to measure its memory") from None
        kib = dict(line.split(":") for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM")))
        expect(len(kib) == 2, "it ended too early to measure its memory")
        return tuple(int(kib[name].split()[0]) << 10 for name in ("VmRSS", "VmHWM"))

    def close(self):
        """Ends it, whatever its state."""
        if self._process.poll() is None:
            self.kill()

    def report(self, lines=16):
        """What a person needs to see of it."""
        stderr = self._stderr_file.read_text(errors="replace").splitlines()[-lines:]
        code = self._process.poll()
        config = self.config if isinstance(self.config, str) else json.dumps(self.config)
        return "\n".join([
            f"    $ {' '.join(self.language.command)} '{config}'",
            f"    ({'still running' if code is None else f'exit code {code}'}, {len(self.lines)} lines)",
            *(f"    | {json.dumps(line, ensure_ascii=False)}" for line in list(self.lines)[-lines:]),
            *(f"    stderr| {line}" for line in stderr),
        ])  # fmt: skip
