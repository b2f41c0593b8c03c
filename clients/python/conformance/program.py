"""What sync.py and aio.py share: the argument, and what is printed, one JSON object a line."""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal
from typing import Any

from smile_relay import (
    Connected,
    Event,
    EventFilter,
    Gap,
    GapDecision,
    GapError,
    Lost,
    Outcome,
    Settings,
    SubscriptionError,
    Tls,
)
from smilerelay.v1.event_pb2 import EventType, OmittedReason


class Program:
    """One run: the parsed argument, and the counts of the end line."""

    def __init__(self, argv: list[str]) -> None:
        try:
            (argument,) = argv[1:]
            self.config: dict[str, Any] = json.loads(argument)
            self.settings = _settings(self.config)
            self.on_gap: GapDecision = self.config.get("on_gap", "fail")
            self.cursor_file: str | None = self.config.get("cursor_file")
            self.handle_seconds: float = self.config.get("handle_ms", 0) / 1000
            self._stop_after: int = self.config.get("stop_after", 0)
            self._count_only: bool = self.config.get("count_only", False)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"bad argument: {error}", file=sys.stderr)
            sys.exit(2)
        self._events = 0
        self._began = time.monotonic()
        self._cpu_began = time.process_time()

    def handled(self, event: Event) -> bool:
        """Prints an event. Returns whether it was the last that is wanted."""
        self._events += 1
        if not self._count_only:
            _print("event", _event(event))
        return self._events == self._stop_after

    def gap(self, gap: Gap) -> GapDecision:
        """Prints a gap, and decides as the argument says."""
        _print(
            "gap",
            {
                "reason": gap.reason,
                "asked": gap.asked,
                "earliest": gap.earliest_cursor or "",
                "latest": gap.latest_cursor or "",
            },
        )
        return self.on_gap

    def connection(self, notice: Connected | Lost) -> None:
        """Prints what happened to the connection."""
        if isinstance(notice, Connected):
            _print("connected", {"after": notice.after or ""})
        else:
            code = "DEAD" if notice.code is None else notice.code.name
            _print("lost", {"code": code, "reason": notice.reason, "delay_ms": round(notice.delay * 1000)})

    def ended(self, outcome: Outcome) -> int:
        """Prints the end. Returns the exit code."""
        self._end(outcome.value)
        return 0

    def failed(self, error: Exception) -> int:
        """Prints the end by an error. Returns the exit code."""
        if isinstance(error, SubscriptionError):
            message = error.gap.message if isinstance(error, GapError) else error.message
            self._end("failed", error.code.name, error.reason, message)
        else:
            self._end("failed", message=f"{type(error).__name__}: {error}")
        return 1

    def _end(self, how: str, code: str = "", reason: str = "", message: str = "") -> None:
        end = {"how": how, "code": code, "reason": reason, "message": message, "events": self._events}
        seconds = round(time.monotonic() - self._began, 3)
        cpu_seconds = round(time.process_time() - self._cpu_began, 3)
        _print("end", {**end, "seconds": seconds, "cpu_seconds": cpu_seconds})


def _settings(config: dict[str, Any]) -> Settings:
    chosen = config.get("filter", {})
    ca_file, server_name = config.get("ca_file"), config.get("server_name")
    return Settings(
        config["target"],
        filter=EventFilter(
            types=[EventType.Value(name) for name in chosen.get("types", [])],
            type_names=chosen.get("type_names", []),
            user_ids=chosen.get("user_ids", []),
            endpoints=chosen.get("endpoints", []),
        ),
        start=config.get("start", "latest"),
        tls=Tls(ca_file=ca_file, server_name=server_name) if ca_file else None,
        token_file=config.get("token_file"),
        include_raw_body=config.get("include_raw_body", False),
        stop_when_caught_up=config.get("stop_when_caught_up", False),
        heartbeat_interval=config.get("heartbeat_interval_ms", 15_000) / 1000,
        consumer=config.get("consumer", ""),
        max_event_bytes=config.get("max_event_bytes", 3 << 20),
        fetch_omitted=config.get("fetch_omitted", False),
        backoff_initial=min(100, config.get("backoff_max_ms", 10_000)) / 1000,
        backoff_max=config.get("backoff_max_ms", 10_000) / 1000,
    )


def _event(event: Event) -> dict[str, Any]:
    line: dict[str, Any] = {
        "sequence": event.sequence,
        "id": event.id,
        "type": EventType.Name(event.type),
        "type_name": event.type_name,
        "cursor": event.cursor,
        "user_id": event.user_id,
    }
    if event.HasField("created_at"):
        line["created_at"] = event.created_at.ToJsonString()
    line["data"] = event.WhichOneof("data") or ""
    omitted = OmittedReason.Name(event.omitted.reason).removeprefix("OMITTED_REASON_")
    line["omitted"] = omitted if event.HasField("omitted") else ""
    line["issues"] = len(event.decode_issues)
    line["raw_bytes"] = len(event.raw_body)
    for income in event.task_finished.payload.incomes.items[:1]:
        if income.HasField("net_amount"):
            line["net_amount"] = f"{Decimal(income.net_amount.value):f}"
    return line


def _print(kind: str, what: dict[str, Any]) -> None:
    print(json.dumps({kind: what}, separators=(",", ":")), flush=True)
