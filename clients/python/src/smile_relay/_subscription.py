"""The loop that keeps a stream of events alive, written once for both faces of the package.

It decides; what it decides is done by an `Io`, of which there is one over grpcio's sync API and one over its asyncio
API. The loop is made of coroutines. Those of the sync Io never suspend, they block, and so the sync face runs the whole
loop with one `send` (see _sync.py). In the order of an event's travel: open, receive, fetch what was omitted, handle,
save.
"""

from __future__ import annotations

import logging
from typing import Protocol

import grpc

from smilerelay.v1.event_pb2 import OMITTED_REASON_TOO_LARGE, Event
from smilerelay.v1.service_pb2 import (
    START_POSITION_EARLIEST,
    START_POSITION_LATEST,
    Checkpoint,
    GetEventRequest,
    SubscribeRequest,
    SubscribeResponse,
)

from ._channel import read_access
from ._place import Place
from ._retry import Backoff, Verdict, final_error, gap, judge
from ._status import Ended, Status
from .errors import After, Gap, GapDecision, GapError, SettingsError
from .notices import Connected, ConnectionObserver, Lost, Outcome
from .settings import Settings, Start

_log = logging.getLogger("smile_relay")

_FIRST_MESSAGE = 10.0
"""Seconds within which a stream has to begin, connecting included, unless two heartbeat intervals are longer."""
_FETCH_BYTES_A_SECOND = 64 << 10
"""A fetch gets a second more for as many bytes: it is a single message, so nothing shows that it is getting on."""


class Stopped(Exception):
    """Raised by an Io where it waits, once the subscriber was stopped. Never leaves this package."""


class Silent(Exception):
    """Raised by Stream.receive when nothing came in time. Never leaves this package."""


class Stream(Protocol):
    """One stream over a connection of its own."""

    async def receive(self, timeout: float) -> SubscribeResponse | None:
        """Returns the next message, None at the end with OK. Raises Ended, Silent, Stopped."""

    async def get_event(self, request: GetEventRequest, timeout: float) -> Event:
        """Asks for one event over the same connection. Raises Ended, Stopped."""

    async def close(self) -> None:
        """Cancels the stream and drops the connection."""


class Io(Protocol):
    """What the loop does to the world."""

    async def load(self) -> str | None:
        """As CursorStore.load."""

    async def save(self, cursor: str) -> None:
        """As CursorStore.save."""

    async def handle(self, event: Event) -> None:
        """Gives an event to the application. Raises what its handler raises."""

    async def decide(self, gap: Gap) -> GapDecision:
        """Asks the application."""

    async def open(self, request: SubscribeRequest) -> Stream:
        """Begins a stream, over a new connection. Raises SettingsError if a file can't be read."""

    async def sleep(self, seconds: float) -> None:
        """Waits. Raises Stopped."""

    def check_stopped(self) -> None:
        """Raises Stopped."""


class Subscription:
    """One run of a subscriber."""

    def __init__(self, settings: Settings, io: Io, observer: ConnectionObserver | None) -> None:
        self._settings = settings
        self._io = io
        self._observer = observer
        self._start: Start | After = settings.start
        self._backoff = Backoff(settings.backoff_initial, settings.backoff_max)
        # A fetch that keeps failing has its own count: each new stream's first message would reset the other.
        self._fetch_backoff = Backoff(settings.backoff_initial, settings.backoff_max)
        self._gaps_in_a_row = 0

    async def run(self) -> Outcome:
        """Runs until it is stopped, caught up (if that was asked for) or fails."""
        read_access(self._settings)  # A file that is missing from the start is a mistake; later it is being replaced.
        place = Place(await self._io.load(), self._io.save)
        try:
            while True:
                status, backoff, asked = await self._stream(place)
                if status.code is grpc.StatusCode.OK and self._settings.stop_when_caught_up:
                    return Outcome.CAUGHT_UP
                delay = await self._after(status, backoff, asked, place)
                await self._io.sleep(delay)
        except Stopped:
            return Outcome.STOPPED
        finally:
            await place.flush()

    async def _stream(self, place: Place) -> tuple[Status, Backoff, str]:
        """Reads one stream to its end. Returns how it ended, which count of failures that belongs to, and the cursor
        that was asked for."""
        self._io.check_stopped()
        resumed_from = place.cursor
        asked = resumed_from or (self._start.cursor if isinstance(self._start, After) else "")
        try:
            stream = await self._io.open(self._request(place))
        except SettingsError as error:
            return Status(grpc.StatusCode.UNAVAILABLE, str(error)), self._backoff, asked
        try:
            silence = max(_FIRST_MESSAGE, 2 * self._settings.heartbeat_interval)
            connected = False
            while (message := await stream.receive(silence)) is not None:
                self._backoff.reset()
                self._gaps_in_a_row = 0
                if not connected:
                    connected = True
                    self._tell(Connected(asked or None))
                for event in message.events:
                    self._io.check_stopped()
                    if self._settings.fetch_omitted and event.omitted.reason == OMITTED_REASON_TOO_LARGE:
                        try:
                            event = await self._fetch(stream, event)
                        except Ended as ended:
                            return ended.status, self._fetch_backoff, event.cursor
                    await self._io.handle(event)
                    await place.handled(event.cursor)
                if message.HasField("checkpoint"):
                    await place.checkpoint(message.checkpoint.cursor)
                    silence = _silence(message.checkpoint, silence)
            return Status(grpc.StatusCode.OK, "the relay ended the stream"), self._backoff, asked
        except Ended as ended:
            return ended.status, self._backoff, asked
        except Silent:
            return Status(None, f"nothing came for {silence:g} s"), self._backoff, asked
        finally:
            await stream.close()

    async def _fetch(self, stream: Stream, stub: Event) -> Event:
        request = GetEventRequest(cursor=stub.cursor, include_raw_body=self._settings.include_raw_body)
        timeout = max(_FIRST_MESSAGE, 2 * self._settings.heartbeat_interval)
        event = await stream.get_event(request, timeout + stub.omitted.size_bytes / _FETCH_BYTES_A_SECOND)
        self._fetch_backoff.reset()
        return event

    async def _after(self, status: Status, backoff: Backoff, asked: str, place: Place) -> float:
        """Decides what follows the end of a stream: returns the seconds until the next attempt, or raises."""
        verdict = judge(status, has_token_file=self._settings.token_file is not None)
        if verdict is Verdict.FINAL:
            raise final_error(status, self._settings.max_event_bytes)
        if verdict is Verdict.RETRY:
            delay = backoff.next(status.retry_delay)
            self._tell(Lost(status.code, status.reason, status.message, delay))
            return delay
        what = gap(status, asked)
        decision = await self._io.decide(what)
        if decision == "fail":
            raise GapError(what)
        self._start = decision
        place.forget()
        self._gaps_in_a_row += 1
        # A handler that keeps naming a cursor which is gone must not make us hammer the relay.
        return 0.0 if self._gaps_in_a_row == 1 else backoff.next()

    def _request(self, place: Place) -> SubscribeRequest:
        settings = self._settings
        request = SubscribeRequest(
            filter=settings.filter,
            include_raw_body=settings.include_raw_body,
            stop_when_caught_up=settings.stop_when_caught_up,
            consumer=settings.consumer,
            max_event_bytes=settings.max_event_bytes,
        )
        request.heartbeat_interval.FromNanoseconds(round(settings.heartbeat_interval * 1e9))
        if place.cursor is not None:
            request.after_cursor = place.cursor
        elif isinstance(self._start, After):
            request.after_cursor = self._start.cursor
        elif self._start == "earliest":
            request.position = START_POSITION_EARLIEST
        elif self._start == "latest":
            request.position = START_POSITION_LATEST
        else:
            request.received_since.FromDatetime(self._start)
        return request

    def _tell(self, notice: Connected | Lost) -> None:
        if isinstance(notice, Connected):
            _log.info("connected to %s, after cursor %s", self._settings.target, notice.after)
        else:
            code = "dead stream" if notice.code is None else notice.code.name
            why = f"{code} {notice.reason}".rstrip()
            _log.warning(
                "lost %s: %s: %s; next attempt in %.1f s", self._settings.target, why, notice.message, notice.delay
            )
        if self._observer is not None:
            self._observer(notice)


def _silence(checkpoint: Checkpoint, before: float) -> float:
    """Seconds of silence that make a stream dead: two intervals, as the relay states them."""
    interval = checkpoint.heartbeat_interval.ToTimedelta().total_seconds()
    return 2 * interval if interval > 0 else before
