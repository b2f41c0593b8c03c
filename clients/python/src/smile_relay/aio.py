"""The asyncio face: as smile_relay, with a handler, a gap handler and a store that are coroutines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar

import grpc

from smilerelay.v1.event_pb2 import Event
from smilerelay.v1.service_pb2 import GetEventRequest, SubscribeRequest, SubscribeResponse
from smilerelay.v1.service_pb2_grpc import RelayServiceStub

from . import stores
from ._channel import channel_options, read_access, read_metadata
from ._status import Ended, Status
from ._subscription import Silent, Stopped, Subscription
from .errors import Gap, GapDecision, SettingsError
from .notices import ConnectionObserver, Outcome
from .settings import Settings

__all__ = ["CursorStore", "FileCursorStore", "GapHandler", "Handler", "MemoryCursorStore", "Subscriber", "subscribe"]

T = TypeVar("T")
Handler: TypeAlias = Callable[[Event], Awaitable[None]]
GapHandler: TypeAlias = Callable[[Gap], Awaitable[GapDecision]]


class CursorStore(Protocol):
    """As smile_relay.CursorStore, with coroutines."""

    async def load(self) -> str | None:
        """Returns what was saved last, None if nothing was. Called once, when the subscription begins."""

    async def save(self, cursor: str) -> None:
        """Keeps the cursor, durably if it is to survive. Called after each event that was handled, and for the relay's
        checkpoints, at most once a second."""


class MemoryCursorStore:
    """As smile_relay.MemoryCursorStore."""

    def __init__(self, cursor: str | None = None) -> None:
        self.cursor = cursor
        """What was saved last."""

    async def load(self) -> str | None:
        """Returns what was saved last."""
        return self.cursor

    async def save(self, cursor: str) -> None:
        """Remembers the cursor."""
        self.cursor = cursor


class FileCursorStore:
    """As smile_relay.FileCursorStore. Waits for the disk in a thread, so that the loop goes on."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._store = stores.FileCursorStore(path)

    async def load(self) -> str | None:
        """Returns the file's content without its newline; None if there is no file, or an empty one."""
        return await asyncio.to_thread(self._store.load)

    async def save(self, cursor: str) -> None:
        """Writes a file beside it, syncs that to the disk, and renames it over. Raises OSError if that fails."""
        await asyncio.to_thread(self._store.save, cursor)


class Subscriber:
    """As smile_relay.Subscriber, for one event loop.

    Two ways to end it: `stop` lets the handler finish the event that it is at; cancelling the task that runs it cancels
    the handler, too, and that event comes again next time.
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
        self._io = _Io(settings, handler, store, on_gap or _fail)
        self._started = False
        self._subscription = Subscription(settings, self._io, on_connection)

    async def run(self) -> Outcome:
        """Runs while the subscription lasts; once for each Subscriber.

        Returns why it ended. Raises GapError, SubscriptionError, SettingsError (a file can't be read), what the handler
        or the store raised, and CancelledError; the cursor of what was handled is saved in any case.
        """
        if self._started:
            raise RuntimeError("a Subscriber runs once; make another one")
        self._started = True
        async with self._io:
            return await self._subscription.run()

    def stop(self) -> None:
        """Makes `run` return Outcome.STOPPED: after the handler, if one is at work, at once otherwise.

        Fits loop.add_signal_handler. From another thread: loop.call_soon_threadsafe(subscriber.stop). Also before
        `run`, and again.
        """
        self._io.stop()


async def subscribe(
    settings: Settings,
    handler: Handler,
    store: CursorStore,
    *,
    on_gap: GapHandler | None = None,
    on_connection: ConnectionObserver | None = None,
) -> Outcome:
    """Runs a Subscriber that ends when its task is cancelled."""
    return await Subscriber(settings, handler, store, on_gap=on_gap, on_connection=on_connection).run()


async def _fail(_: Gap) -> GapDecision:
    return "fail"


class _Io:
    """The loop's Io over grpcio's asyncio API. Waits in one place only, for what comes first: that, or stop()."""

    def __init__(self, settings: Settings, handler: Handler, store: CursorStore, on_gap: GapHandler) -> None:
        self._settings = settings
        self._handler = handler
        self._store = store
        self._on_gap = on_gap
        self._stopped = asyncio.Event()

    async def __aenter__(self) -> None:
        self._stop = asyncio.ensure_future(self._stopped.wait())

    async def __aexit__(self, *_: object) -> None:
        self._stop.cancel()
        await asyncio.wait({self._stop})

    def stop(self) -> None:
        self._stopped.set()

    def check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    async def load(self) -> str | None:
        return await self._store.load()

    async def save(self, cursor: str) -> None:
        await self._store.save(cursor)

    async def handle(self, event: Event) -> None:
        await self._handler(event)

    async def decide(self, gap: Gap) -> GapDecision:
        return await self._on_gap(gap)

    async def open(self, request: SubscribeRequest) -> _Stream:
        return _Stream(self._settings, request, self)

    async def sleep(self, seconds: float) -> None:
        self.check_stopped()
        await asyncio.wait({self._stop}, timeout=seconds)
        self.check_stopped()

    async def wait(self, work: Awaitable[T], timeout: float | None = None) -> T:
        """Raises Stopped, and Silent after so many seconds. What was waited for is cancelled then.

        A task, because grpcio reports a call that was cancelled as CancelledError: here, that is always our own task's.
        """
        task = asyncio.ensure_future(work)
        try:
            self.check_stopped()
            await asyncio.wait({task, self._stop}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            self.check_stopped()
            if not task.done():
                raise Silent
            return task.result()
        finally:
            if not task.cancel() and not task.cancelled():
                task.exception()  # Seen, even if it came too late to be told.


class _Stream:
    """One stream."""

    def __init__(self, settings: Settings, request: SubscribeRequest, io: _Io) -> None:
        access = read_access(settings)
        self._settings = settings
        self._io = io
        options = channel_options(settings)
        if access.credentials is None:
            self._channel = grpc.aio.insecure_channel(settings.target, options)
        else:
            self._channel = grpc.aio.secure_channel(settings.target, access.credentials, options)
        self._stub = RelayServiceStub(self._channel)
        self._call = self._stub.Subscribe(request, metadata=access.metadata)
        # Not read(): that forgets messages which have arrived once the call's status has.
        self._messages = aiter(self._call)

    async def receive(self, timeout: float) -> SubscribeResponse | None:
        try:
            return await self._io.wait(self._next(), timeout)
        except grpc.RpcError as error:
            raise Ended(Status.of(error)) from error

    async def get_event(self, request: GetEventRequest, timeout: float) -> Event:
        try:
            call = self._stub.GetEvent(request, timeout=timeout, metadata=read_metadata(self._settings))
            response = await self._io.wait(call)
        except SettingsError as error:
            raise Ended(Status(grpc.StatusCode.UNAVAILABLE, str(error))) from error
        except grpc.RpcError as error:
            raise Ended(Status.of(error)) from error
        return response.event

    async def close(self) -> None:
        self._call.cancel()
        await self._channel.close()

    async def _next(self) -> SubscribeResponse | None:
        try:
            return await anext(self._messages)
        except StopAsyncIteration:
            return None
