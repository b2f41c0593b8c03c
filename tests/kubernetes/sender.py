"""The sender, which plays Smile: tests/kubernetes/sender, in a pod."""

import json

from .waiting import Failure, eventually

from .images import SENDER
from .manifests import pod


class Sender:
    """One run of it: webhooks `NAME-000001` and so on, at a rate, until it has sent for so long or is told to stop; or so many
    `webhooks`, as fast as they are answered."""

    def __init__(self, namespace, url, rate=20, seconds=None, run="event", secret="smile-webhook", entry="secret",
                 ca="public-ca", **options):  # fmt: skip
        self.namespace, self.name, self.run = namespace, f"sender-{run}", run
        arguments = [f"--url={url}", f"--secret-file=/secret/{entry}", f"--rate={rate}", f"--run={run}"]
        arguments += [f"--seconds={seconds}"] if seconds else ["--until-signal"]
        arguments += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        mounts = [{"name": "secret", "mountPath": "/secret"}]
        volumes = [{"name": "secret", "secret": {"secretName": secret, "defaultMode": 0o440}}]
        if ca:
            arguments.append("--ca=/ca/ca.crt")
            mounts.append({"name": "ca", "mountPath": "/ca"})
            volumes.append({"name": "ca", "configMap": {"name": ca}})
        made = {"name": "sender", "image": SENDER, "args": arguments, "volumeMounts": mounts}
        namespace.apply(pod(self.name, made, volumes=volumes, grace=120))
        self.lines = []

    def said(self):
        """What it has said so far, a dictionary a line."""
        text = self.namespace.logs(self.name, may_fail=True)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def await_sent(self, count, seconds=60):
        """Until so many webhooks were answered with 2xx. Returns how many were."""
        return eventually(f"{self.name} got {count} through", lambda: self._acknowledged() >= count and self._acknowledged(), seconds)

    def _acknowledged(self):
        seconds = [line for line in self.said() if "second" in line]
        return sum(line["ok"] for line in seconds)

    def stop(self):
        """Tells it to end; what is to be sent again is sent first. Returns its last line."""
        self.namespace.kubectl("exec", self.name, "--", "/sender", "--stop")
        return self.await_end(120)

    def await_end(self, seconds):
        """Its last line, once it has ended by itself."""
        last = {}

        def ended():
            lines = self.said()
            last.update(next((line for line in lines if line.get("done")), {}))
            return last

        try:
            eventually(f"{self.name} is done", ended, seconds)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.namespace.said_of(self.name)}") from failure
        return last

    def ids(self, last):
        """The ids of all that it has sent."""
        return [f"{self.run}-{number:06}" for number in range(1, last["sent"] + 1)]


def outage(last):
    """What a sender's last line says of the time when nobody answered, in words."""
    return (
        f"no 2xx for {last['longest_gap_ms'] / 1000:.1f} s, for {last['no_answer_ms'] / 1000:.1f} s after a try that failed; "
        f"{last['repeated_tries']} sent again, longest answer {last['max_ms']:.0f} ms"
    )
