"""Handlers that take longer than the proxy waits for a reader.

A client that does not read stops the proxy, which then counts: until its timeout, or until the relay, whose pings it
does not read either, takes the connection for dead. How soon a client hears of its end depends on how much its gRPC
library has read ahead. It goes on after the event that was handled last, as ever.
"""

from polyglot.delivery import check
from polyglot.log import held
from polyglot.waiting import eventually
from polyglot.webhooks import padded, send

from ..haproxy import HAProxy
from ..nginx import Nginx

HANDLE_MS = 3000
HANDLED = 3
# More than any client and all buffers on the way hold.
EVENTS = 32

CHANGES = {
    Nginx: [(" send_timeout 60s;", " send_timeout 1s;")],
    HAProxy: [("timeout client 60s", "timeout client 1s")],
}


def handlers(scene):
    relay = scene.relay()
    ingress = scene.ingress(relay, CHANGES)
    send(ingress, [padded(number, 1_000_000) for number in range(EVENTS)])
    log = held(relay)
    clients = scene.each(
        lambda name: scene.subscribe(
            name, ingress, start="earliest", heartbeat_interval_ms=1000, handle_ms=HANDLE_MS, stop_after=HANDLED
        )
    )
    scene.each(lambda name: clients[name].until_events(1))
    eventually("the proxy has ended a stream that is not read", lambda: relay.streams() < len(clients))

    def finish(name):
        client = clients[name]
        client.until_end("stopped")
        check(log[:HANDLED], client, log=log)
        codes = [line["code"] for line in client.said("lost")]
        heard = f"noticed {len(codes)} times: {', '.join(codes)}" if codes else "had read ahead, and not noticed yet"
        scene.notes[name] = heard

    scene.each(finish)
