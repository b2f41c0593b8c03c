"""How long a relay took from its start to being ready, and what it found in its log."""

import json
import re
from typing import NamedTuple

from .waiting import expect

from .cluster import instant

UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}

# When the kernel made a process, by the clock that logs are written by. Linux counts from its boot, in hundredths of a second.
MADE = """
import os, pathlib, sys, time
ticks = int(pathlib.Path(f"/proc/{sys.argv[1]}/stat").read_text().rpartition(")")[2].split()[19])
print(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK"))
"""


class Start(NamedTuple):
    """The last one of a relay; times in seconds."""

    took: float  # As it says itself: from its first own step.
    from_process: float  # From when the runtime made the process, which then loads the program.
    opened: dict  # What it says of its log: the sequences `earliest` and `latest`, and `ids_remembered`.


def last(release, node):
    """The last start of a release's relay, which is ready."""
    lines = [json.loads(line) for line in release.namespace.logs(release.pod).splitlines()]
    said = {line["fields"]["message"]: line for line in lines}
    expect({"ready", "log open"} <= said.keys(), f"the relay does not say that it is ready: {lines}")
    ready = said["ready"]
    made = float(node.python(MADE, node.process(release.namespace, release.pod, "smile-relay")))
    from_process = instant(ready["timestamp"]).timestamp() - made
    return Start(_seconds(ready["fields"]["took"]), from_process, said["log open"]["fields"])


def _seconds(text):
    """A time as Rust writes it."""
    number, unit = re.fullmatch(r"([\d.]+)(\D+)", text).groups()
    return float(number) * UNITS[unit]
