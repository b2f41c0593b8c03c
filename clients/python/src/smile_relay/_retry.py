"""What to do after a stream has ended: try again, ask the application, or give up. And how long to wait."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable

from grpc import StatusCode

from ._status import Status
from .errors import Gap, SubscriptionError

_TRANSIENT = frozenset(
    {
        None,  # a dead stream
        StatusCode.OK,
        StatusCode.UNAVAILABLE,
        StatusCode.UNKNOWN,
        StatusCode.INTERNAL,
        StatusCode.ABORTED,
        StatusCode.CANCELLED,
        StatusCode.DEADLINE_EXCEEDED,
    }
)
_NOT_THAT_LOG = frozenset({"CURSOR_FOREIGN_LOG", "CURSOR_DIVERGED", "CURSOR_AHEAD"})
_FROM_THE_LIBRARY = frozenset({StatusCode.RESOURCE_EXHAUSTED, StatusCode.OUT_OF_RANGE})


class Verdict(enum.Enum):
    """What follows from the end of a stream."""

    RETRY = enum.auto()
    GAP = enum.auto()
    FINAL = enum.auto()


def judge(status: Status, *, has_token_file: bool) -> Verdict:
    """Says what follows. With a token file, UNAUTHENTICATED can pass: the file may be replaced any time."""
    code, reason = status.code, status.reason
    if code in _TRANSIENT:
        return Verdict.RETRY
    if code is StatusCode.RESOURCE_EXHAUSTED and status.from_relay:
        return Verdict.RETRY
    if code is StatusCode.UNAUTHENTICATED and has_token_file:
        return Verdict.RETRY
    if code is StatusCode.OUT_OF_RANGE and reason == "CURSOR_EXPIRED":
        return Verdict.GAP
    if code is StatusCode.FAILED_PRECONDITION and reason in _NOT_THAT_LOG:
        return Verdict.GAP
    return Verdict.FINAL


def gap(status: Status, asked: str) -> Gap:
    """The gap that a status judged as one tells of."""
    assert status.code is not None
    return Gap(
        code=status.code,
        reason=status.reason,
        asked=asked,
        earliest_cursor=status.metadata.get("earliest_cursor"),
        latest_cursor=status.metadata.get("latest_cursor"),
        message=status.message,
    )


def final_error(status: Status, max_event_bytes: int) -> SubscriptionError:
    """The error for a status judged as final."""
    assert status.code is not None
    message = status.message
    if status.code in _FROM_THE_LIBRARY and not status.from_relay:
        message += (
            f" (the message is over gRPC's receive limit: raise Settings.max_event_bytes, now {max_event_bytes:,};"
            " it sets both the request's max_event_bytes and the channel's grpc.max_receive_message_length)"
        )
    return SubscriptionError(status.code, status.reason, message)


class Backoff:
    """The delays between attempts: random between half and the whole of what doubles with each failure in a row."""

    def __init__(
        self, initial: float, longest: float, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._initial = initial
        self._longest = longest
        self._uniform = uniform
        self._whole = initial

    def next(self, at_least: float = 0.0) -> float:
        """Seconds to wait after one more failure, never less than the relay asks for."""
        whole = min(self._whole, self._longest)
        self._whole = whole * 2
        return max(at_least, self._uniform(whole / 2, whole))

    def reset(self) -> None:
        """Something worked: count afresh."""
        self._whole = self._initial
