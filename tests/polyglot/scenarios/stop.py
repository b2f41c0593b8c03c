"""Clients are stopped, and killed, and started again with the cursor that they kept."""

import signal
import time

from ..delivery import check
from ..log import held
from ..waiting import eventually, expect
from ..webhooks import Load, send, small

# A delay that is longer than stopping may take, which saves a cursor to a disk that others may keep busy.
BACKOFF_MS, STOPPED_WITHIN = 6500, 6


def during_backoff(stage):
    """SIGTERM while the relay is away, SIGINT while streaming."""
    relay = stage.relay().start()
    send(relay, [small(number) for number in range(20)])
    settings = {"target": relay.grpc, "start": "earliest"}
    clients = stage.each(lambda name: stage.start(name, cursor_file=stage.cursor_file(name), **settings))
    stage.each(lambda name: clients[name].until_events(20))
    relay.kill()

    def stop(name):
        client = clients[name]
        client.until(
            f"a backoff of {BACKOFF_MS} ms or more begins",
            lambda: any(lost["delay_ms"] >= BACKOFF_MS for lost in client.said("lost")),
        )
        began = time.monotonic()
        client.stop(STOPPED_WITHIN)
        stage.notes[name] = f"stopped within {time.monotonic() - began:.1f} s"

    stage.each(stop)
    relay.start()
    send(relay, [small(number, "more") for number in range(20)])
    log = held(relay)

    def go_on(name):
        kept = stage.kept_cursor(name)
        expect(kept == log[19]["cursor"], f"the cursor of the 20th event was expected in the file; it holds {kept}")
        again = stage.start(name, cursor_file=stage.cursor_file(name), **settings)
        again.until_events(20)
        again.stop(STOPPED_WITHIN, by=signal.SIGINT)
        check(log, clients[name], again)

    stage.each(go_on)


def while_nothing_answers(stage):
    """SIGTERM while a connection is open on which nothing comes, not even the first message."""
    relay = stage.relay().start()
    proxies = stage.each(lambda name: stage.proxy(relay.grpc))

    def stop(name):
        proxies[name].freeze()
        client = stage.start(name, target=proxies[name].address)
        eventually("it opens a connection", lambda: proxies[name].accepted > 0)
        began = time.monotonic()
        client.stop(STOPPED_WITHIN)
        stage.notes[name] = f"stopped within {time.monotonic() - began:.1f} s"
        expect(not client.said("connected"), f"it can't have connected: {client.said('connected')}")

    stage.each(stop)


def killed(stage):
    """kill -9 in the middle of a load, several times: at most the event that was being handled comes again."""
    relay = stage.relay().start()

    def live(name):
        settings = {"target": relay.grpc, "start": "earliest", "cursor_file": stage.cursor_file(name)}
        runs = []
        for _ in range(4):
            runs.append(stage.start(name, **settings))
            runs[-1].until_events(30)
            runs[-1].kill()
        runs.append(stage.start(name, **settings))
        return runs

    with Load(relay, a_second=100):
        runs = stage.each(live)
    log = held(relay)

    def finish(name):
        *earlier, last = runs[name]
        # The run before may have handled the last event of all before it was killed.
        if earlier[-1].events[-1] != log[-1]:
            last.until("it has printed the last event", lambda: last.events and last.events[-1] == log[-1])
        last.stop()
        check(log, *runs[name], killed=True)

    stage.each(finish)
