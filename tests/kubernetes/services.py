"""The services: the clients' example programs, which print a line for each event that they get."""

import re
from typing import NamedTuple

from .waiting import PATIENCE, eventually, expect

from .images import SERVICES
from .manifests import PINNED

_EVENT = re.compile(r"^(\d+) (\S+) (\S+) ?(\S*)$")


class Event(NamedTuple):
    """What a service prints of an event."""

    sequence: int
    id: str
    type: str
    user: str


def container(name, language, address, ca=None, token=None, mounts=(), environment=None):
    """A service as a container. It keeps its place below /cursor, which is a volume of its pod's: `cursor_volume`."""
    settings = {"SMILE_RELAY_ADDRESS": address, "SMILE_RELAY_CURSOR_FILE": f"/cursor/{name}"}
    if ca:
        settings["SMILE_RELAY_CA_FILE"] = ca
    if token:
        settings["SMILE_RELAY_TOKEN_FILE"] = token
    settings.update(environment or {})
    return {
        **PINNED,
        "name": name,
        "image": SERVICES[language],
        "env": [{"name": key, "value": value} for key, value in settings.items()],
        "volumeMounts": [{"name": "cursor", "mountPath": "/cursor"}, *mounts],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
    }


def cursor_volume(in_memory=False):
    return {"name": "cursor", "emptyDir": {"medium": "Memory"} if in_memory else {}}


class Service:
    """One running service: a container of a pod. `earlier` are the events that it got in pods before this one."""

    def __init__(self, namespace, pod, container, language, earlier=()):
        self.namespace, self.pod, self.container, self.language = namespace, pod, container, language
        self.earlier = list(earlier)

    def __str__(self):
        return f"{self.language} ({self.pod}/{self.container})"

    def events(self):
        """What it has got so far, in the order in which it came."""
        return self.earlier + printed(self.namespace.logs(self.pod, self.container).splitlines())

    def await_events(self, ids, seconds=PATIENCE):
        """Until it has got all of these. Returns all that it got."""
        ids = set(ids)
        got = []

        def has_all():
            got[:] = self.events()
            return ids <= {event.id for event in got}

        try:
            eventually("", has_all, seconds)
        except Exception:
            missing = sorted(ids - {event.id for event in got})
            last = "\n".join(self.namespace.logs(self.pod, self.container, may_fail=True).splitlines()[-15:])
            expect(False, f"{self}: after {seconds:g} s {len(missing)} of {len(ids)} events are missing, "
                          f"{missing[:5]}...; it said last:\n{last}")  # fmt: skip
        return got


def printed(lines):
    """The events among the lines that a service has printed."""
    found = (_EVENT.match(line) for line in lines)
    return [Event(int(line[1]), line[2], line[3], line[4]) for line in found if line]


def expect_delivered(services, ids, seconds=PATIENCE):
    """Every service gets every event once, and all get them in one order, which is that of their sequences."""
    ids = set(ids)
    expect(ids, "nothing was sent")
    orders = {}
    for service in services:
        got = service.await_events(ids, seconds)
        sequences = [event.sequence for event in got]
        expect(sequences == sorted(set(sequences)), f"{service}: repeated, or out of order: {_disorder(sequences)}")
        names = [event.id for event in got if event.id in ids]
        expect(len(names) == len(set(names)), f"{service}: an id came with two sequences: {_repeated(names)}")
        orders[str(service)] = [(event.sequence, event.id) for event in got if event.id in ids]
    first = next(iter(orders.values()))
    for name, order in orders.items():
        expect(order == first, f"{name} has another order than {next(iter(orders))}")


def _disorder(sequences):
    return [pair for pair in zip(sequences, sequences[1:]) if pair[0] >= pair[1]][:5]


def _repeated(names):
    seen = set()
    return [name for name in names if name in seen or seen.add(name)][:5]
