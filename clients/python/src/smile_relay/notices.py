"""What an application can be told about its connection, and how a subscription ends without an error."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import grpc

__all__ = ["Connected", "ConnectionObserver", "Lost", "Outcome"]


class Outcome(enum.Enum):
    """Why a subscription ended without an error."""

    STOPPED = "stopped"
    """It was stopped."""
    CAUGHT_UP = "caught_up"
    """Everything was delivered that was there when the stream opened (`stop_when_caught_up`)."""


@dataclass(frozen=True)
class Connected:
    """The relay has answered: the stream is open."""

    after: str | None
    """The cursor that it was resumed from; None if it began at a start."""


@dataclass(frozen=True)
class Lost:
    """The stream, or the fetch of an omitted event, failed. It is tried again."""

    code: grpc.StatusCode | None
    """How it ended. OK: the relay ended it, unasked. None: it was dead, nothing came for too long."""
    reason: str
    """The relay's own name for it, as in service.proto; empty if it gave none."""
    message: str
    """What to know about it, for people."""
    delay: float
    """Seconds until the next attempt."""


ConnectionObserver: TypeAlias = Callable[[Connected | Lost], None]
"""Is called where the subscription runs, so it must not block. An error that it raises ends the subscription."""
