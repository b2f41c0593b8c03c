"""The network between client and relay freezes, resets connections in the middle of a message, and refuses new ones."""

import time

from ..delivery import check
from ..log import held
from ..waiting import Failure, eventually, expect
from ..webhooks import Load, send, small, task_finished

HEARTBEAT_MS = 1000
# Silence of two heartbeats is a dead stream; the rest is for a loaded machine.
NOTICED_WITHIN = 8
# The first message of a stream has to come within 10 s.
GIVEN_UP_WITHIN = 20
BACKOFF_LEAST_MS, BACKOFF_MOST_MS = 100, 800


def frozen(stage):
    """Half-open connections: nothing comes any more, and nothing ends. New connections hear nothing either."""
    relay = stage.relay().start()
    proxies = stage.each(lambda name: stage.proxy(relay.grpc))
    clients = stage.each(
        lambda name: stage.start(
            name, target=proxies[name].address, start="earliest", heartbeat_interval_ms=HEARTBEAT_MS
        )
    )

    def freeze(name):
        client, proxy = clients[name], proxies[name]
        client.until_events(50)
        expect(not client.said("lost"), f"nothing was cut yet; lost: {client.said('lost')}")
        before = proxy.accepted
        expect(before == 1, f"one connection was expected; it opened {before}")
        proxy.freeze()
        began = time.monotonic()
        lost = client.until_lost(1, NOTICED_WITHIN)
        noticed = time.monotonic() - began
        expect(lost["code"] == "DEAD", f"a dead stream was expected; got {lost}")
        eventually("it opens another connection", lambda: proxy.accepted > before, NOTICED_WITHIN)
        # The new connection is silent from its start, which it has to notice too.
        client.until_lost(2, GIVEN_UP_WITHIN)
        seen = len(client.events)
        proxy.heal()
        client.until_connected(2)
        client.until_events(seen + 50)
        eventually("all its connections but one are closed", lambda: proxy.open_connections() == 1)
        stage.notes[name] = f"silence noticed after {noticed:.1f} s"

    with Load(relay, a_second=100):
        stage.each(freeze)
    _finish(stage, relay, clients)


def reset(stage):
    """Connections are reset in the middle of a message, while catching up and while live."""
    relay = stage.relay().start()
    # 80 messages of some 10 KB: catching up puts several into one of up to 64 KiB.
    send(relay, [task_finished(f"et-{number}", items=0) for number in range(80)])
    proxies = stage.each(lambda name: stage.proxy(relay.grpc))
    clients = {}

    def start(name):
        # Enough for a message each, so that there is progress.
        proxies[name].reset_after(90_001, 130_007, 170_023)
        return stage.start(name, target=proxies[name].address, start="earliest", backoff_max_ms=BACKOFF_MOST_MS)

    clients.update(stage.each(start))
    stage.each(lambda name: clients[name].until_events(80))

    def reset_while_live(name):
        client = clients[name]
        for _ in range(5):
            count = len(client.said("connected"))
            client.until_events(len(client.events) + 20)
            proxies[name].reset()
            client.until_connected(count + 1)
        client.until_events(len(client.events) + 20)
        expect(len(client.said("lost")) >= 8, f"8 connections were reset; it lost {len(client.said('lost'))} streams")

    with Load(relay, a_second=100):
        stage.each(reset_while_live)
    _finish(stage, relay, clients)


def refused(stage):
    """Connections are reset, and new ones refused, right after a client has subscribed to what comes from now on."""
    relay = stage.relay().start()
    send(relay, [small(number, "before") for number in range(5)])
    proxies = stage.each(lambda name: stage.proxy(relay.grpc))
    clients = stage.each(
        lambda name: stage.start(name, target=proxies[name].address, start="latest", backoff_max_ms=BACKOFF_MOST_MS)
    )

    def refuse(name):
        clients[name].until_connected()
        proxies[name].refuse()

    stage.each(refuse)
    # Nobody has received an event so far. It is the first checkpoint that says where "from now on" was.
    send(relay, [small(number, "away") for number in range(5)])
    stage.each(lambda name: clients[name].until_lost(7))

    def heal(name):
        client = clients[name]
        _check_backoff(client)
        proxies[name].heal()
        client.until_events(5)
        # A stream that has delivered something begins anew with the shortest delay.
        failures = len(client.said("lost"))
        proxies[name].reset()
        lost = client.until_lost(failures + 1)
        expect(lost["delay_ms"] <= BACKOFF_LEAST_MS, f"the first delay again was expected after a success; got {lost}")
        client.until_connected(3)

    stage.each(heal)
    send(relay, [small(number, "after") for number in range(5)])
    _finish(stage, relay, clients, skipped=5)


def _check_backoff(client):
    """Half to the whole of 100 ms, doubled each time, up to the most; and as long is really waited."""
    lost, times = client.said("lost"), client.times("lost")
    for failure, (line, at) in enumerate(zip(lost, times, strict=False)):
        expect(line["code"] == "UNAVAILABLE", f"UNAVAILABLE was expected for a connection cut or refused; got {line}")
        most = min(BACKOFF_LEAST_MS << failure, BACKOFF_MOST_MS)
        # Rounded to a whole number in either direction.
        if not most / 2 - 1 <= line["delay_ms"] <= most + 1:
            raise Failure(f"failure {failure + 1} in a row: a delay of {most / 2:g} to {most} ms was expected: {line}")
        # A few ms of doubt: lines are read by another thread than the one that waits.
        if failure + 1 < len(times):
            waited = (times[failure + 1] - at) * 1000
            expect(waited >= line["delay_ms"] - 40, f"it came back after {waited:.0f} ms already: {line}")


def _finish(stage, relay, clients, skipped=0):
    log = held(relay)

    def finish(name):
        clients[name].until_events(len(log) - skipped)
        clients[name].stop()
        check(log[skipped:], clients[name], log=log)

    stage.each(finish)
