"""Stopping while the subscriber waits: the moment that a test of the whole can't hit for certain."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from collections.abc import Callable

import grpc
import pytest
from support import ScriptedRelay, details, fails, message, sends

from smile_relay import Connected, Event, Lost, MemoryCursorStore, Outcome, Settings, Subscriber, aio
from smile_relay._subscription import Stopped
from smile_relay._sync import _Waiting

_LONG = 20.0
"""Seconds. Reached only by a failing test."""


class Entered(queue.SimpleQueue[None]):
    """Does something once somebody waits in it."""

    def __init__(self, then: Callable[[], object]) -> None:
        self._then = then

    def get(self, block: bool = True, timeout: float | None = None) -> None:
        self._then()
        return super().get(block, timeout)


def test_another_thread_wakes_the_one_that_waits() -> None:
    waiting = _Waiting()
    thread = threading.Thread(target=waiting.stop)
    with pytest.raises(Stopped):
        waiting.get(Entered(thread.start), _LONG)
    thread.join()


def test_a_signal_handler_wakes_the_thread_that_it_interrupts() -> None:
    waiting = _Waiting()
    before = signal.signal(signal.SIGUSR1, lambda *_: waiting.stop())
    try:
        with pytest.raises(Stopped):
            waiting.get(Entered(lambda: signal.raise_signal(signal.SIGUSR1)), _LONG)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_nothing_waits_once_it_is_stopped() -> None:
    waiting = _Waiting()
    waiting.stop()
    with pytest.raises(Stopped):
        waiting.get(queue.SimpleQueue[None](), _LONG)


async def nothing(_: Event) -> None:
    """A handler."""


def aio_stopped_when(settings: Settings, notice: type[Connected] | type[Lost]) -> Outcome:
    """Stops it in the loop's next turn after a notice, when it waits for what comes next."""

    async def main() -> Outcome:
        def observe(what: Connected | Lost) -> None:
            if isinstance(what, notice):
                asyncio.get_running_loop().call_soon(subscriber.stop)

        subscriber = aio.Subscriber(settings, nothing, aio.MemoryCursorStore(), on_connection=observe)
        return await asyncio.wait_for(subscriber.run(), _LONG)

    return asyncio.run(main())


def test_asyncio_stops_during_a_delay() -> None:
    trailer = details("TOO_MANY_STREAMS", retry_ms=3_600_000)
    with ScriptedRelay(fails(grpc.StatusCode.UNAVAILABLE, trailer=trailer)) as relay:
        assert aio_stopped_when(Settings(relay.target), Lost) is Outcome.STOPPED


def test_asyncio_stops_while_nothing_comes() -> None:
    with ScriptedRelay(sends(message(checkpoint="k0"))) as relay:
        assert aio_stopped_when(Settings(relay.target), Connected) is Outcome.STOPPED


def test_a_stop_before_the_start_connects_nowhere() -> None:
    subscriber = Subscriber(Settings("relay.invalid:1"), lambda _: None, MemoryCursorStore())
    subscriber.stop()
    assert subscriber.run() is Outcome.STOPPED
