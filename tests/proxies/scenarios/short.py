"""The proxy's timeout is shorter than the heartbeats: it ends every stream that is silent for so long.

This is what a wrong configuration looks like. It costs reconnects, and no event.
"""

import statistics

from polyglot.delivery import check
from polyglot.log import held
from polyglot.waiting import expect
from polyglot.webhooks import send, small

from ..haproxy import HAProxy
from ..nginx import Nginx

HEARTBEAT_MS = 5000
TIMEOUT = 1.0
ENDS = 3

CHANGES = {
    Nginx: [("grpc_read_timeout 60s;", "grpc_read_timeout 1s;")],
    HAProxy: [("timeout server 60s", "timeout server 1s")],
}


def shorter_than_heartbeats(scene):
    relay = scene.relay()
    ingress = scene.ingress(relay, CHANGES)
    clients = scene.each(
        lambda name: scene.subscribe(name, ingress, start="earliest", heartbeat_interval_ms=HEARTBEAT_MS)
    )
    for end in range(1, ENDS + 1):
        send(ingress, [small(number, f"before-{end}") for number in range(5)])
        scene.each(lambda name, end=end: clients[name].until_lost(end))
    log = held(relay)

    def finish(name):
        client = clients[name]
        client.until_events(len(log))
        client.stop()
        check(log, client)
        lost = client.said("lost")
        expect(all(line["reason"] == "" for line in lost), f"the relay ended no stream, the proxy did; got {lost}")
        lived = [_until_next(client.times("lost"), at) for at in client.times("connected")[:ENDS]]
        median = statistics.median(lived)
        # The timer begins with the last byte, which the client may have read later than it was sent.
        expect(median > TIMEOUT / 2, f"the proxy's timeout is {TIMEOUT} s; streams lived {lived} s")
        codes = ", ".join(sorted({line["code"] for line in lost}))
        scene.notes[name] = f"ended {len(lost)} times, after {median:.1f} s of silence: {codes}"

    scene.each(finish)


def _until_next(times, start):
    """Seconds from `start` until the first of `times` after it."""
    return min(at for at in times if at > start) - start
