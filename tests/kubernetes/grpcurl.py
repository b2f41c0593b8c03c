"""grpcurl, which knows nothing of the relay but what reflection tells it."""

import json
import subprocess

from .waiting import Failure


class Grpcurl:
    """Calls a relay by a forwarded port: over TLS, for the name that its certificate has, with a token."""

    def __init__(self, port, authority, ca, token):
        self._address = f"127.0.0.1:{port}"
        self._options = ["-cacert", ca, "-authority", authority, "-H", f"authorization: Bearer {token}", "-max-time", "20"]

    def services(self):
        return self._run("list").split()

    def call(self, method, **request):
        """The answers of a method of RelayService, as dictionaries."""
        text = self._run("smilerelay.v1.RelayService/" + method, request).strip()
        decoder, answers = json.JSONDecoder(), []
        while text:
            answer, end = decoder.raw_decode(text)
            answers.append(answer)
            text = text[end:].lstrip()
        return answers

    def events(self):
        """All events that the log holds, by Subscribe, as it ends when it has caught up."""
        answers = self.call("Subscribe", position="START_POSITION_EARLIEST", stop_when_caught_up=True)
        return [event for answer in answers for event in answer.get("events", [])]

    def _run(self, what, request=None):
        data = ["-d", json.dumps(request)] if request is not None else []
        command = ["grpcurl", *self._options, *data, self._address, what]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise Failure(f"grpcurl {what}: {done.stderr.strip()}")
        return done.stdout
