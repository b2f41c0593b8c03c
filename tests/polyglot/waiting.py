"""Waiting for conditions, always with a deadline."""

import time

# Long enough for six programs, one of them a JVM, on a loaded machine; nothing waits as long when all is well.
PATIENCE = 60.0


class Failure(Exception):
    """A promise that was not kept, in words for the person who reads the test's output."""


def eventually(what, condition, seconds=PATIENCE, step=0.01):
    """Asks `condition` again and again, `step` seconds apart, until it gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:g} s until {what}")
        time.sleep(step)


def let_pass(seconds):
    """Sleeps, where the time itself is what is tried: how long a network is cut. Never to wait for something."""
    time.sleep(max(0, seconds))


def expect(condition, what):
    """Fails with `what` unless the condition holds."""
    if not condition:
        raise Failure(what)
