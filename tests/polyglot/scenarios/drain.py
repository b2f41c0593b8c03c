"""The relay is told to end while events come in, and another one takes its place."""

from ..delivery import check
from ..log import held
from ..waiting import expect
from ..webhooks import Load

# What the relay asks for in RetryInfo.
RETRY_AFTER_MS = 1000


def under_load(stage):
    relay = stage.relay().start()
    clients = stage.each(lambda name: stage.start(name, target=relay.grpc, start="earliest"))
    with Load(relay, a_second=200):
        for times in (1, 2):
            stage.each(lambda name, times=times: _until_streaming(clients[name], times))
            relay.drain()
            stage.each(lambda name, times=times: clients[name].until_lost(times))
            relay.start()
        stage.each(lambda name: _until_streaming(clients[name], 3))
    expected = held(relay)

    def finish(name):
        client = clients[name]
        client.until_events(len(expected))
        client.stop()
        check(expected, client)
        drained = [lost for lost in client.said("lost") if lost["reason"] == "DRAINING"]
        expect(len(drained) == 2, f"two streams ended with DRAINING; told of {client.said('lost')}")
        for lost in drained:
            expect(lost["code"] == "UNAVAILABLE", f"UNAVAILABLE was expected; got {lost}")
            expect(lost["delay_ms"] >= RETRY_AFTER_MS, f"a delay of {RETRY_AFTER_MS} ms or more was asked for: {lost}")
        stage.notes[name] = f"{len(expected)} events"

    stage.each(finish)


def _until_streaming(client, times):
    seen = len(client.events)
    client.until_connected(times)
    client.until_events(seen + 50)
