"""The errors that end a subscription, and the gaps that the application decides about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import grpc

__all__ = ["After", "Gap", "GapDecision", "GapError", "SettingsError", "SmileRelayError", "SubscriptionError"]


class SmileRelayError(Exception):
    """All errors of this package. Those of a handler or a store are passed on as they are."""


class SettingsError(SmileRelayError, ValueError):
    """Settings that can't work, or a file named in them that can't be read. The message names the setting."""


class SubscriptionError(SmileRelayError):
    """The relay, or something before it, answered what trying again does not change."""

    def __init__(self, code: grpc.StatusCode, reason: str, message: str) -> None:
        super().__init__(f"{code.name}{f' ({reason})' if reason else ''}: {message}")
        self.code = code
        """The status code."""
        self.reason = reason
        """The relay's own name for it, as in service.proto; empty if it gave none."""
        self.message = message
        """What to know about it, for people."""


@dataclass(frozen=True)
class Gap:
    """The log can't be read on from the cursor that was asked for: events would be missing, or it is not that log."""

    code: grpc.StatusCode
    """OUT_OF_RANGE if retention has removed events that were not read, FAILED_PRECONDITION if the log is not the one
    that was read."""
    reason: str
    """CURSOR_EXPIRED, CURSOR_FOREIGN_LOG, CURSOR_DIVERGED or CURSOR_AHEAD."""
    asked: str
    """The cursor that was asked for."""
    earliest_cursor: str | None
    """The place before the oldest event held, if the relay said it."""
    latest_cursor: str | None
    """The place after the newest event, if the relay said it."""
    message: str
    """The relay's words."""


@dataclass(frozen=True)
class After:
    """Go on after this cursor."""

    cursor: str


GapDecision: TypeAlias = Literal["fail", "earliest", "latest"] | After
"""The answer to a Gap: end with a GapError, go on with the oldest event held, with what comes from now on, or after a
cursor."""


class GapError(SubscriptionError):
    """The gap handler (by default: there is none) decided that the subscription ends here."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.code, gap.reason, f"{gap.message} (decide with on_gap where to go on)")
        self.gap = gap
        """What was asked for, and what there is."""
