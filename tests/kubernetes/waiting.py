"""Waiting for conditions, always with a deadline, and without taking the machine from what is waited for: each question
is a kubectl of its own."""

from polyglot import waiting
from polyglot.waiting import PATIENCE, Failure, expect

__all__ = ["PATIENCE", "Failure", "eventually", "expect"]

STEP = 0.25


def eventually(what, condition, seconds=PATIENCE, step=STEP):
    """Asks `condition` again and again until it gives something true, and returns that."""
    return waiting.eventually(what, condition, seconds, step)
