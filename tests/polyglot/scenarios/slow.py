"""Handlers that are slower than the relay. They hold the stream back, and nothing piles up in memory."""

from ..delivery import check
from ..log import held
from ..waiting import expect
from ..webhooks import padded, send

MIB = 1 << 20
HANDLE_MS = 30
# Each a message of its own, as it is larger than the 64 KiB that the relay puts into one: 114 MiB in all.
EVENTS, EVENT_BYTES = 400, 300_000
# 16 messages read ahead are 5 MiB. The rest is for what gRPC's windows (up to 16 MiB) and the kernel hold.
READ_AHEAD_MOST = 32 * MIB
# Less than the burst. Most of it is garbage that a runtime has not collected yet.
GROWTH_MOST = 96 * MIB


def burst(stage):
    """A burst far larger than all buffers: complete, with bounded memory and a bounded read-ahead."""
    relay = _relay_with_burst(stage)
    log = held(relay)

    def consume(name):
        proxy = stage.proxy(relay.grpc)
        client = stage.start(
            name,
            target=proxy.address,
            start="earliest",
            handle_ms=HANDLE_MS,
            heartbeat_interval_ms=1000,
            stop_when_caught_up=True,
        )
        client.until_events(1)
        resident, _ = client.memory()
        samples = []
        # The last events are left out, so that the process is there to be measured.
        for count in range(2, EVENTS - 10):
            client.until_events(count)
            samples.append((proxy.forwarded, len(client.events)))
            _, most_resident = client.memory()
        client.until_end("caught_up")
        check(log, client)
        each = proxy.forwarded / EVENTS
        ahead = max(forwarded - handled * each for forwarded, handled in samples)
        growth = most_resident - resident
        stage.notes[name] = (
            f"read ahead at most {ahead / MIB:.1f} MiB, memory grew by {growth / MIB:.0f} MiB"
            f" to {most_resident / MIB:.0f} MiB, of a burst of {proxy.forwarded / MIB:.0f} MiB"
        )
        expect(ahead <= READ_AHEAD_MOST, f"no more than {READ_AHEAD_MOST / MIB:.0f} MiB ahead: {stage.notes[name]}")
        expect(growth <= GROWTH_MOST, f"no more than {GROWTH_MOST / MIB:.0f} MiB of growth: {stage.notes[name]}")
        expect(not client.said("lost"), f"a slow handler is no dead stream; lost: {client.said('lost')}")

    stage.each(consume)


def slower_than_heartbeats(stage):
    """A handler that takes longer than two heartbeats, behind a full buffer, is not taken for a dead stream."""

    def consume(name):
        # One of its own, which knows whether the stream is still there while the client is busy.
        relay = _relay_with_burst(stage, name, events=64)
        log = held(relay)
        settings = {"target": relay.grpc, "start": "earliest", "cursor_file": stage.cursor_file(name)}
        client = stage.start(name, heartbeat_interval_ms=1000, handle_ms=2500, stop_after=4, **settings)
        client.until_events(3)
        expect(relay.streams() == 1, "it gave up a stream that it held back itself")
        client.until_end("stopped")
        check(log[:4], client)
        expect(not client.said("lost"), f"a slow handler is no dead stream; lost: {client.said('lost')}")
        kept = stage.kept_cursor(name)
        expect(kept == log[3]["cursor"], f"the cursor of the 4th event was expected in the file; it holds {kept}")
        rest = stage.start(name, stop_when_caught_up=True, **settings)
        rest.until_end("caught_up")
        check(log, client, rest)

    stage.each(consume)


def _relay_with_burst(stage, name="relay", events=EVENTS):
    relay = stage.relay(name).start()
    send(relay, (padded(number, EVENT_BYTES) for number in range(events)))
    return relay
