"""Both faces, against a relay made of a script."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
import pytest
from support import ScriptedRelay, details, ends, event, fails, message, sends

from smile_relay import (
    After,
    Connected,
    Event,
    Gap,
    GapDecision,
    GapError,
    Lost,
    MemoryCursorStore,
    Outcome,
    Settings,
    Subscriber,
    SubscriptionError,
    aio,
)
from smilerelay.v1.event_pb2 import OMITTED_REASON_TOO_LARGE
from smilerelay.v1.service_pb2 import START_POSITION_EARLIEST

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@dataclass
class Run:
    """One run of a subscriber: what it was told, and what it did."""

    settings: Settings
    cursor: str | None = None
    stop_after: int = 0
    stop_when_lost: bool = False
    decide: Callable[[Gap], GapDecision] = lambda _: "fail"
    fail_at: int = 0
    error: Exception = field(default_factory=lambda: KeyError("handler"))
    handled: list[Event] = field(default_factory=list)
    notices: list[Connected | Lost] = field(default_factory=list)
    saved: str | None = None
    stop: Callable[[], None] = lambda: None

    def handle(self, event: Event) -> None:
        if event.sequence == self.fail_at:
            raise self.error
        self.handled.append(event)
        if len(self.handled) == self.stop_after:
            self.stop()

    def observe(self, notice: Connected | Lost) -> None:
        self.notices.append(notice)
        if self.stop_when_lost and isinstance(notice, Lost):
            self.stop()

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.handled]


def run_sync(run: Run) -> Outcome:
    store = MemoryCursorStore(run.cursor)
    subscriber = Subscriber(run.settings, run.handle, store, on_gap=run.decide, on_connection=run.observe)
    run.stop = subscriber.stop
    try:
        return subscriber.run()
    finally:
        run.saved = store.cursor
        assert "smile-relay-reader" not in [thread.name for thread in threading.enumerate()]


def run_aio(run: Run) -> Outcome:
    async def handle(event: Event) -> None:
        run.handle(event)

    async def decide(gap: Gap) -> GapDecision:
        return run.decide(gap)

    async def main() -> Outcome:
        store = aio.MemoryCursorStore(run.cursor)
        subscriber = aio.Subscriber(run.settings, handle, store, on_gap=decide, on_connection=run.observe)
        run.stop = subscriber.stop
        try:
            return await subscriber.run()
        finally:
            run.saved = store.cursor
            # grpcio lets one of its own finish later.
            assert [task for task in asyncio.all_tasks() if "_AioCall" not in repr(task)] == [asyncio.current_task()]

    return asyncio.run(main())


@pytest.fixture(params=[run_sync, run_aio], ids=["sync", "aio"])
def go(request: pytest.FixtureRequest) -> Callable[[Run], Outcome]:
    runner: Callable[[Run], Outcome] = request.param
    return runner


Go = Callable[[Run], Outcome]


def quick(target: str, *, fetch_omitted: bool = False, stop_when_caught_up: bool = False) -> Settings:
    return Settings(
        target,
        start="earliest",
        fetch_omitted=fetch_omitted,
        stop_when_caught_up=stop_when_caught_up,
        backoff_initial=0.001,
        backoff_max=0.001,
    )


def test_resumes_after_the_last_handled_event(go: Go) -> None:
    with ScriptedRelay(
        fails(UNAVAILABLE, message(checkpoint="k0"), message(1, 2), trailer=details("DRAINING")),
        ends(message(3, checkpoint="k3")),
        sends(message(checkpoint="k3"), message(4)),
    ) as relay:
        run = Run(quick(relay.target), stop_after=4)
        assert go(run) is Outcome.STOPPED
    assert run.sequences == [1, 2, 3, 4] and run.saved == "c4"
    assert relay.requests[0].position == START_POSITION_EARLIEST
    assert [request.after_cursor for request in relay.requests] == ["", "c2", "k3"]
    assert [type(notice) for notice in run.notices] == [Connected, Lost, Connected, Lost, Connected]
    drained, ended = (notice for notice in run.notices if isinstance(notice, Lost))
    assert (drained.code, drained.reason) == (UNAVAILABLE, "DRAINING") and ended.code is grpc.StatusCode.OK
    assert run.notices[2] == Connected("c2")


def test_a_dead_stream_is_opened_again_over_a_new_connection(go: Go) -> None:
    with ScriptedRelay(sends(message(1, checkpoint="k1", heartbeat_ms=20)), sends(message(2))) as relay:
        run = Run(quick(relay.target), stop_after=2)
        assert go(run) is Outcome.STOPPED
    (lost,) = (notice for notice in run.notices if isinstance(notice, Lost))
    assert lost.code is None and len(set(relay.peers)) == 2


def test_a_failing_handler_ends_it_and_gets_its_event_again(go: Go) -> None:
    with ScriptedRelay(sends(message(1, 2, 3))) as relay:
        run = Run(quick(relay.target), fail_at=2)
        with pytest.raises(KeyError, match="handler"):
            go(run)
        assert run.saved == "c1" and len(relay.requests) == 1


def test_a_grpc_error_of_the_handlers_own_is_not_the_streams(go: Go) -> None:
    with ScriptedRelay(sends(message(1))) as relay:
        run = Run(quick(relay.target), fail_at=1, error=grpc.RpcError("its own"))
        with pytest.raises(grpc.RpcError, match="its own"):
            go(run)
        assert run.notices == [Connected(None)]


def test_a_gap_fails_with_what_is_known(go: Go) -> None:
    trailer = details("CURSOR_EXPIRED", earliest_cursor="e", latest_cursor="l")
    with ScriptedRelay(fails(grpc.StatusCode.OUT_OF_RANGE, trailer=trailer)) as relay:
        run = Run(quick(relay.target), cursor="old")
        with pytest.raises(GapError) as error:
            go(run)
    gap = error.value.gap
    assert (gap.reason, gap.asked, gap.earliest_cursor, gap.latest_cursor) == ("CURSOR_EXPIRED", "old", "e", "l")
    assert run.saved == "old"


def test_a_gap_goes_on_where_the_application_says(go: Go) -> None:
    gone = fails(grpc.StatusCode.FAILED_PRECONDITION, trailer=details("CURSOR_FOREIGN_LOG"))
    with ScriptedRelay(gone, gone, sends(message(1))) as relay:
        decisions: list[GapDecision] = ["earliest", After("there")]
        run = Run(quick(relay.target), cursor="old", stop_after=1, decide=lambda _: decisions.pop(0))
        assert go(run) is Outcome.STOPPED
    assert [request.after_cursor for request in relay.requests] == ["old", "", "there"]
    assert relay.requests[1].position == START_POSITION_EARLIEST
    assert run.notices == [Connected("there")] and run.saved == "c1"


def test_what_trying_again_does_not_change_is_an_error(go: Go) -> None:
    with ScriptedRelay(fails(grpc.StatusCode.INVALID_ARGUMENT)) as relay:
        with pytest.raises(SubscriptionError, match="scripted") as error:
            go(Run(quick(relay.target)))
        assert error.value.code is grpc.StatusCode.INVALID_ARGUMENT and len(relay.requests) == 1


def test_a_message_over_the_limit_is_final_and_says_what_to_raise(go: Go) -> None:
    large = message(1)
    large.events[0].raw_body = b"x" * (5 << 20)
    with ScriptedRelay(sends(large)) as relay, pytest.raises(SubscriptionError, match="max_event_bytes") as error:
        go(Run(quick(relay.target)))
    assert error.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("fetch", [False, True])
def test_an_omitted_event_is_fetched_if_that_is_asked_for(go: Go, fetch: bool) -> None:
    stub = message()
    stub.events.append(event(1))
    stub.events[0].omitted.reason = OMITTED_REASON_TOO_LARGE
    stub.events[0].omitted.size_bytes = 6 << 20
    with ScriptedRelay(sends(stub)) as relay:
        run = Run(quick(relay.target, fetch_omitted=fetch), stop_after=1)
        go(run)
    (handled,) = run.handled
    assert handled.HasField("omitted") is not fetch and len(handled.raw_body) == (6 << 20 if fetch else 0)
    assert run.saved == "c1"


def test_caught_up_is_an_end_of_its_own(go: Go) -> None:
    with ScriptedRelay(ends(message(1, checkpoint="k1"))) as relay:
        run = Run(quick(relay.target, stop_when_caught_up=True))
        assert go(run) is Outcome.CAUGHT_UP
    assert run.saved == "k1"


def test_a_stop_in_the_midst_of_a_message_keeps_what_was_handled(go: Go) -> None:
    with ScriptedRelay(sends(message(1, 2, 3, checkpoint="k3"))) as relay:
        run = Run(quick(relay.target), stop_after=2)
        assert go(run) is Outcome.STOPPED
    assert run.sequences == [1, 2] and run.saved == "c2"


def test_a_stop_ends_a_delay(go: Go) -> None:
    with ScriptedRelay(fails(UNAVAILABLE, trailer=details("TOO_MANY_STREAMS", retry_ms=3_600_000))) as relay:
        run = Run(quick(relay.target), stop_when_lost=True)
        assert go(run) is Outcome.STOPPED
    (lost,) = run.notices
    assert isinstance(lost, Lost) and lost.delay == 3600.0


def test_a_subscriber_runs_once() -> None:
    subscriber = Subscriber(Settings("relay:1"), lambda _: None, MemoryCursorStore())
    subscriber.stop()
    assert subscriber.run() is Outcome.STOPPED
    with pytest.raises(RuntimeError, match="once"):
        subscriber.run()


def test_a_message_starts_the_count_of_failures_afresh(go: Go) -> None:
    fail = fails(UNAVAILABLE)
    with ScriptedRelay(fail, fail, fails(UNAVAILABLE, message(1)), sends(message(2))) as relay:
        settings = Settings(relay.target, start="earliest", backoff_initial=0.001, backoff_max=0.1)
        run = Run(settings, stop_after=2)
        go(run)
    first, second, third = (notice.delay for notice in run.notices if isinstance(notice, Lost))
    assert 0.0005 <= first <= 0.001 <= second <= 0.002 and 0.0005 <= third <= 0.001


def test_each_subscriber_has_a_connection_of_its_own() -> None:
    async def main(target: str) -> None:
        subscribers: list[aio.Subscriber] = []
        seen = 0

        async def handle(_: Event) -> None:
            nonlocal seen
            seen += 1
            if seen == 2:
                for subscriber in subscribers:
                    subscriber.stop()

        subscribers += [aio.Subscriber(quick(target), handle, aio.MemoryCursorStore()) for _ in range(2)]
        await asyncio.gather(*(subscriber.run() for subscriber in subscribers))

    with ScriptedRelay(sends(message(1))) as relay:
        asyncio.run(main(relay.target))
        assert len(set(relay.peers)) == 2


def test_cancelling_the_task_cancels_the_handler_and_keeps_what_was_handled() -> None:
    async def main(target: str) -> str | None:
        store, begun = aio.MemoryCursorStore(), asyncio.Event()

        async def handle(event: Event) -> None:
            if event.sequence == 2:
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(aio.subscribe(quick(target), handle, store))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return store.cursor

    with ScriptedRelay(sends(message(1, 2, 3))) as relay:
        assert asyncio.run(main(relay.target)) == "c1"
