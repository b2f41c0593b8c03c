"""What a container takes of its node, as the kernel counts it: memory beside the page cache, CPU time, its image.

The kubelet's own figures are samples of some ten seconds ago. These are read in the container's control group itself.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from typing import NamedTuple

from .waiting import PATIENCE, Failure, eventually, expect

# Begins with a line once it looks, says the CPU time for each byte that it reads, and ends with the most that it saw.
LOOK = """
import json, os, pathlib, select, sys, time

process, kubelet, apart = sys.argv[1], sys.argv[2], float(sys.argv[3])
groups = {}
for line in pathlib.Path(f"/proc/{process}/cgroup").read_text().splitlines():
    _, controllers, path = line.split(":", 2)
    groups.update((controller, path.lstrip("/")) for controller in controllers.split(","))
top = pathlib.Path(f"/proc/{kubelet}/root/sys/fs/cgroup")

def numbers(file):
    return {name: int(number) for name, number in map(str.split, file.read_text().splitlines())}

if "memory" in groups:
    memory, cpu = top / "memory" / groups["memory"], top / "cpuacct" / groups["cpuacct"]

    def held():
        stat = numbers(memory / "memory.stat")
        return stat["rss"] + stat["shmem"], int((memory / "memory.kmem.usage_in_bytes").read_text())

    def used():
        return int((cpu / "cpuacct.usage").read_text()) / 1e9
else:
    group = top / groups[""]

    def held():
        stat = numbers(group / "memory.stat")
        return stat["anon"] + stat["shmem"], stat["kernel"]

    def used():
        return numbers(group / "cpu.stat")["usage_usec"] / 1e6

def say(**what):
    print(json.dumps(what), flush=True)

most, looks, widest, before = (0, 0, 0), 0, 0, time.monotonic()
while True:
    own, kernel = held()
    most = max(most, (own + kernel, own, kernel))
    looks, widest, before = looks + 1, max(widest, time.monotonic() - before), time.monotonic()
    if looks == 1:
        say(begun=True)
    if select.select([0], [], [], apart)[0]:
        if not os.read(0, 1):
            break
        say(at=time.monotonic(), cpu=used())
status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines())
resident = {name: int(status[name].split()[0]) << 10 for name in ("VmHWM", "RssFile")}
say(own=most[1], kernel=most[2], looks=looks, widest=widest, resident=resident["VmHWM"], file=resident["RssFile"])
"""

# Seconds between two looks.
APART = 0.1

# The root file system without what is mounted there, as a layer would pack it.
IMAGE = """
import json, pathlib, sys, tarfile, zlib

process = sys.argv[1]
mounted = {line.split()[4] for line in pathlib.Path(f"/proc/{process}/mountinfo").read_text().splitlines()} - {"/"}

class Layer:
    unpacked = compressed = 0
    packer = zlib.compressobj(wbits=31)

    def write(self, part):
        self.unpacked += len(part)
        self.compressed += len(self.packer.compress(part))

layer = Layer()
with tarfile.open(fileobj=layer, mode="w|") as archive:
    archive.add(f"/proc/{process}/root/", arcname="", filter=lambda file: None if f"/{file.name}" in mounted else file)
layer.compressed += len(layer.packer.flush())
print(json.dumps([layer.compressed, layer.unpacked]))
"""


class Cpu(NamedTuple):
    """What a container has used so far, and when that was: both in seconds, of clocks of the node."""

    at: float
    used: float

    def share(self, since):
        """How much of one CPU it used since then."""
        return (self.used - since.used) / (self.at - since.at)


class Memory(NamedTuple):
    """The most of it, in bytes. A limit counts what is anonymous and what the kernel holds, and cached pages of files beside:
    those the kernel drops when there is no room, so their number says nothing."""

    own: int  # Anonymous and shared, and
    kernel: int  # what the kernel held for it, at the same look: the one that saw most of both.
    looks: int
    widest: float  # The longest time between two looks, in seconds.
    resident: int  # All that the process ever had resident (VmHWM): also pages of files that it maps.
    file: int  # Such pages at the end: the program itself, and what SQLite maps.

    @property
    def held(self):
        return self.own + self.kernel


@contextlib.contextmanager
def watched(node, namespace, pod, program):
    """Looks at a program's container ten times a second, from `with` to its end, for which it has to be there. The `memory` of
    what this gives is known then."""
    process, kubelet = node.process(namespace, pod, program), node.kubelet()
    with tempfile.TemporaryFile() as said, node.begin(LOOK, process, kubelet, APART, said=said) as looking:
        seen = Watched(f"{program} in {pod}", looking, said)
        try:
            seen.begin()
            yield seen
            seen.end()
        finally:
            looking.kill()


class Watched:
    """What is seen of a container meanwhile."""

    def __init__(self, what, looking, said):
        self.memory = None
        self._what, self._looking, self._said = what, looking, said

    def begin(self):
        self._await_line(0)

    def cpu(self):
        """What it has used until now."""
        before = len(self._lines())
        # Who has ended is found below, with what it said.
        with contextlib.suppress(BrokenPipeError):
            self._looking.stdin.write(b"?")
        said = self._await_line(before)
        return Cpu(said["at"], said["cpu"])

    def end(self):
        try:
            self._looking.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"who looks at {self._what} does not end: {self._text()}") from late
        expect(self._looking.returncode == 0, f"{self._what} can't be looked at, or is no longer there: {self._text()}")
        self.memory = Memory(**self._lines()[-1])

    def _await_line(self, number):
        what = f"{self._what} is looked at"
        eventually(what, lambda: len(self._lines()) > number or self._looking.poll() is not None, step=0.01)
        lines = self._lines()
        expect(len(lines) > number, f"{self._what} can't be looked at, or is no longer there: {self._text()}")
        return lines[number]

    def _lines(self):
        """The whole ones. What is no JSON is kubectl's."""
        lines = self._text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def _text(self):
        # Where this reads is nothing to whoever writes at the end of the same file.
        return os.pread(self._said.fileno(), 1 << 20, 0).decode()


def image_bytes(node, process):
    """The size of a container's image as gzip packs it, which is what a registry sends, and unpacked."""
    compressed, unpacked = json.loads(node.python(IMAGE, process))
    return compressed, unpacked
