"""A network of the test's own beside the machine's: a namespace, and a cable to it that can be cut."""

import contextlib
import ctypes
import ipaddress
import os
import random
import secrets
import shutil
import subprocess

from .waiting import Failure, expect

# For tests between networks (RFC 2544): nothing real has an address of it. Each cable takes four of them, at random, so
# that runs side by side don't meet.
ADDRESSES = ipaddress.ip_network("198.18.0.0/15")
CABLE_BITS = 2

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def missing():
    """What to do before one can be made."""
    lines = []
    if not shutil.which("ip"):
        lines.append("ip is missing: apt-get install iproute2")
    if os.geteuid() != 0:
        lines.append("cut-network makes a network namespace: be root, or name the others with --only")
    return lines


class Network:
    """`address` is the far end of the cable: where what runs inside can be reached."""

    def __init__(self):
        # An interface's name has 15 characters at most, and a process id up to 7.
        self._namespace = f"pg{os.getpid()}x{secrets.token_hex(2)}"
        self._near, self._far = f"{self._namespace}n", f"{self._namespace}f"
        cable = random.randrange(ADDRESSES.num_addresses >> CABLE_BITS) << CABLE_BITS
        near, far = ADDRESSES[cable + 1], ADDRESSES[cable + 2]
        self._near_address, self._far_address = (f"{each}/{32 - CABLE_BITS}" for each in (near, far))
        self.address = str(far)

    def make(self):
        """Makes it, with the cable in place. What was made of it before a failure is removed by `close`."""
        _ip("netns", "add", self._namespace)
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._namespace)
        _ip("address", "add", self._near_address, "dev", self._near)
        _ip("link", "set", self._near, "up")
        _ip("-n", self._namespace, "address", "add", self._far_address, "dev", self._far)
        _ip("-n", self._namespace, "link", "set", self._far, "up")
        _ip("-n", self._namespace, "link", "set", "lo", "up")

    def cut(self):
        """From now on, what either side sends is lost. Neither side's connections are told."""
        _ip("-n", self._namespace, "link", "set", self._far, "down")

    def mend(self):
        """The cable is as before. Whoever still sends gets through."""
        _ip("-n", self._namespace, "link", "set", self._far, "up")

    @contextlib.contextmanager
    def inside(self):
        """Moves this thread into it for a while. Processes and threads that it starts meanwhile are there for good."""
        with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{self._namespace}") as there:
            _enter(there)
            try:
                yield
            finally:
                _enter(here)

    def close(self):
        """Removes it, as far as it was made. Both ends of the cable go with either of them."""
        for remove in (("link", "delete", self._near), ("netns", "delete", self._namespace)):
            with contextlib.suppress(Failure):
                _ip(*remove)


def _ip(*arguments):
    done = subprocess.run(["ip", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    expect(done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _enter(namespace):
    # os.setns came with Python 3.12.
    if _libc.setns(namespace.fileno(), CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), namespace.name)
