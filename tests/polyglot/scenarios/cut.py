"""The network between client and relay is cut, freezes, resets connections within a message, and refuses new ones."""

import time

from ..delivery import check
from ..log import held
from ..waiting import Failure, eventually, expect, let_pass
from ..webhooks import Load, send, small, task_finished

HEARTBEAT_MS = 1000
# Silence of two heartbeats is a dead stream; the rest is for a loaded machine.
NOTICED_WITHIN = 8
# How long a network is cut, or frozen. It is what these scenarios are about, so this time simply passes.
CUT_SECONDS = 30
# So many streams are lost in it at least: the one that was there, and those that bring nothing for their first 10 s.
LOST_LEAST = 3
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
        noticed, seen = _stay_cut_off(client)
        # The new connections were silent from their start, which it has to notice too.
        opened = proxy.accepted - before
        expect(opened >= LOST_LEAST, f"it opened {opened} connections in {CUT_SECONDS} s; {LOST_LEAST} were expected")
        proxy.heal()
        back = _come_back(client, seen)
        eventually("all its connections but one are closed", lambda: proxy.open_connections() == 1)
        stage.notes[name] = f"silence noticed after {noticed:.1f} s, {opened} connections tried, back in {back:.1f} s"

    with Load(relay, a_second=100):
        stage.each(freeze)
    _finish(stage, relay, clients)


def unplugged(stage):
    """The cable to the relay's network is out, while webhooks go on arriving there."""
    network = stage.network()
    authority = stage.authority()
    relay = stage.relay(tls=authority.sign(f"IP:{network.address}"), grpc_host=network.address)
    with network.inside():
        relay.start()
        load = Load(relay, a_second=100)
    with load:
        clients = stage.each(
            lambda name: stage.start(
                name,
                target=relay.grpc,
                ca_file=authority.certificate,
                start="earliest",
                heartbeat_interval_ms=HEARTBEAT_MS,
            )
        )
        stage.each(lambda name: clients[name].until_events(50))
        network.cut()
        before = _stored(relay)
        cut_off = stage.each(lambda name: _stay_cut_off(clients[name]))
        missed = _stored(relay) - before
        expect(missed > 0, "no webhook arrived while the network was cut")
        network.mend()

        def come_back(name):
            noticed, seen = cut_off[name]
            back = _come_back(clients[name], seen)
            stage.notes[name] = f"silence noticed after {noticed:.1f} s, back in {back:.1f} s, {missed} events later"

        stage.each(come_back)
    _finish(stage, relay, clients)


def _stay_cut_off(client):
    """It was cut off just now, notices, and keeps trying. Returns how soon it noticed, and how much it had received."""
    began = time.monotonic()
    lost = client.until_lost(1, NOTICED_WITHIN)
    noticed = time.monotonic() - began
    expect(lost["code"] == "DEAD", f"a dead stream was expected; got {lost}")
    seen = len(client.events)
    let_pass(began + CUT_SECONDS - time.monotonic())
    lost = client.said("lost")
    expect(len(lost) >= LOST_LEAST, f"{LOST_LEAST} streams lost in {CUT_SECONDS} s were expected; got {lost}")
    expect(len(client.said("connected")) == 1, f"it can't have connected: {client.said('connected')}")
    expect(len(client.events) == seen, "it can't have received anything")
    return noticed, seen


def _come_back(client, seen):
    """The way is free again. Returns how long it took to be there."""
    began = time.monotonic()
    client.until_connected(2)
    back = time.monotonic() - began
    client.until_events(seen + 50)
    return back


def _stored(relay):
    return int(relay.info()["latestSequence"])


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
