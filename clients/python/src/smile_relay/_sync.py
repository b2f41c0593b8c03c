"""The blocking face: a subscriber that runs in the thread that calls it.

A thread of its own reads the stream, so that the calling thread waits in one place only, for whatever comes first: a
message, the end of the stream, the end of a delay, or stop().
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

import grpc

from smilerelay.v1.event_pb2 import Event
from smilerelay.v1.service_pb2 import GetEventRequest, GetEventResponse, SubscribeRequest, SubscribeResponse
from smilerelay.v1.service_pb2_grpc import RelayServiceStub

from ._channel import channel_options, read_access, read_metadata
from ._status import Ended, Status
from ._subscription import Silent, Stopped, Subscription
from .errors import Gap, GapDecision, SettingsError
from .notices import ConnectionObserver, Outcome
from .settings import Settings
from .stores import CursorStore

T = TypeVar("T")
Handler: TypeAlias = Callable[[Event], None]
GapHandler: TypeAlias = Callable[[Gap], GapDecision]

_READ_AHEAD = 4
"""Messages read while a handler is at work. Beyond that, the stream is held back by flow control."""


class Subscriber:
    """Subscribes to a relay's events, over and over, until it is stopped or something fails for good.

    Make it anywhere; no thread and no connection is made before `run`. Each event is given to `handler`, one at a time
    and in order; when that has returned, the event's cursor is saved to `store`. An error that it raises ends the
    subscription, and the event comes again next time. `on_gap` decides where to go on when events are missing (default:
    it ends with a GapError). `on_connection` is told what happens to the connection.
    """

    def __init__(
        self,
        settings: Settings,
        handler: Handler,
        store: CursorStore,
        *,
        on_gap: GapHandler | None = None,
        on_connection: ConnectionObserver | None = None,
    ) -> None:
        self._waiting = _Waiting()
        self._started = False
        io = _Io(settings, handler, store, on_gap or (lambda _: "fail"), self._waiting)
        self._subscription = Subscription(settings, io, on_connection)

    def run(self) -> Outcome:
        """Blocks while the subscription lasts; once for each Subscriber.

        Returns why it ended. Raises GapError, SubscriptionError, SettingsError (a file can't be read), what the handler
        or the store raised, and KeyboardInterrupt; the cursor of what was handled is saved in any case.
        """
        if self._started:
            raise RuntimeError("a Subscriber runs once; make another one")
        self._started = True
        return _run_to_the_end(self._subscription.run())

    def stop(self) -> None:
        """Makes `run` return Outcome.STOPPED: after the handler, if one is at work, at once otherwise.

        Can be called from any thread, from the handler, and from a signal handler; also before `run`, and again.
        """
        self._waiting.stop()


def subscribe(
    settings: Settings,
    handler: Handler,
    store: CursorStore,
    *,
    on_gap: GapHandler | None = None,
    on_connection: ConnectionObserver | None = None,
) -> Outcome:
    """Runs a Subscriber that nobody else needs to stop; KeyboardInterrupt ends it."""
    return Subscriber(settings, handler, store, on_gap=on_gap, on_connection=on_connection).run()


def _run_to_the_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine all of whose awaits block instead of suspending."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    raise AssertionError("it suspended, with nobody there to resume it")


class _Stop:
    """Wakes the thread that waits. Only its type counts."""


class _Waiting:
    """The one place where the running thread waits.

    stop() may come from a signal handler, which Python runs in the midst of the very thread that waits here. Events,
    conditions and queue.Queue could deadlock then. Putting into a SimpleQueue is safe there, and a signal
    (KeyboardInterrupt, too) interrupts its get at once.
    """

    def __init__(self) -> None:
        self._stopped = False
        self._where: queue.SimpleQueue[Any] | None = None

    def stop(self) -> None:
        self._stopped = True
        if self._where is not None:
            self._where.put(_Stop())

    def check_stopped(self) -> None:
        if self._stopped:
            raise Stopped

    def get(self, where: queue.SimpleQueue[T], timeout: float) -> T:
        """Takes the next thing out of a queue. Raises Stopped, and queue.Empty after so many seconds."""
        self._where = where  # Before looking at _stopped, as stop() does both the other way round.
        self.check_stopped()
        item = where.get(timeout=timeout)
        self.check_stopped()
        return item


class _Io:
    """The loop's Io over grpcio's sync API."""

    def __init__(
        self, settings: Settings, handler: Handler, store: CursorStore, on_gap: GapHandler, waiting: _Waiting
    ) -> None:
        self._settings = settings
        self._handler = handler
        self._store = store
        self._on_gap = on_gap
        self._waiting = waiting
        self.check_stopped = waiting.check_stopped

    async def load(self) -> str | None:
        return self._store.load()

    async def save(self, cursor: str) -> None:
        self._store.save(cursor)

    async def handle(self, event: Event) -> None:
        self._handler(event)

    async def decide(self, gap: Gap) -> GapDecision:
        return self._on_gap(gap)

    async def open(self, request: SubscribeRequest) -> _Stream:
        return _Stream(self._settings, request, self._waiting)

    async def sleep(self, seconds: float) -> None:
        try:
            self._waiting.get(queue.SimpleQueue[None](), seconds)
        except queue.Empty:
            return


class _Stream:
    """One stream, and the thread that reads it."""

    def __init__(self, settings: Settings, request: SubscribeRequest, waiting: _Waiting) -> None:
        access = read_access(settings)
        self._settings = settings
        self._waiting = waiting
        options = channel_options(settings)
        if access.credentials is None:
            self._channel = grpc.insecure_channel(settings.target, options)
        else:
            self._channel = grpc.secure_channel(settings.target, access.credentials, options)
        self._stub = RelayServiceStub(self._channel)
        self._call = self._stub.Subscribe(request, metadata=access.metadata)
        self._inbox = queue.SimpleQueue[SubscribeResponse | Exception | None]()
        self._room = threading.Semaphore(_READ_AHEAD)
        self._closed = False
        # A daemon, so that a process which gives up without close() can end.
        self._reader = threading.Thread(target=self._read, name="smile-relay-reader", daemon=True)
        self._reader.start()

    async def receive(self, timeout: float) -> SubscribeResponse | None:
        try:
            item = self._waiting.get(self._inbox, timeout)
        except queue.Empty:
            raise Silent from None
        self._room.release()
        if isinstance(item, grpc.RpcError):
            raise Ended(Status.of(item)) from item
        if isinstance(item, Exception):
            raise item
        return item

    async def get_event(self, request: GetEventRequest, timeout: float) -> Event:
        done = queue.SimpleQueue[None]()
        try:
            call = self._stub.GetEvent.future(request, timeout=timeout, metadata=read_metadata(self._settings))
        except SettingsError as error:
            raise Ended(Status(grpc.StatusCode.UNAVAILABLE, str(error))) from error
        call.add_done_callback(lambda _: done.put(None))
        self._waiting.get(done, threading.TIMEOUT_MAX)  # The call has a deadline: it ends.
        try:
            response: GetEventResponse = call.result()
        except grpc.RpcError as error:
            raise Ended(Status.of(error)) from error
        return response.event

    async def close(self) -> None:
        self._closed = True
        self._call.cancel()
        self._channel.close()
        self._room.release()
        self._reader.join()

    def _read(self) -> None:
        try:
            while not self._closed:
                self._room.acquire()
                self._inbox.put(next(self._call, None))
        except Exception as error:
            self._inbox.put(error)
