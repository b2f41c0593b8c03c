"""Nothing comes but heartbeats, for longer than any timeout of the proxy: no stream ends.

The timeouts that count from heartbeat to heartbeat are twice a heartbeat. All others are shorter than one, or than the
silence, so that each that could end a stream would. Then events come, also one that the client has to fetch by a call
of its own, and leaving is noticed by the relay.
"""

import time

from polyglot.delivery import check
from polyglot.log import as_printed, held
from polyglot.waiting import eventually, expect
from polyglot.webhooks import padded, send, small

from ..haproxy import HAProxy
from ..nginx import Nginx

HEARTBEAT_MS = 1000
SILENCE = 5

CHANGES = {
    Nginx: [
        # One call a connection, too, and none after a second: a fetch needs another connection than the stream.
        (" ssl http2;", " ssl http2; client_header_timeout 2s; client_body_timeout 500ms; lingering_timeout 500ms;"
         " keepalive_timeout 500ms; keepalive_time 1s; keepalive_requests 1;"),
        ("grpc_read_timeout 60s;", "grpc_read_timeout 2s; grpc_send_timeout 500ms; grpc_connect_timeout 2s;"),
        (" send_timeout 60s;", " send_timeout 500ms;"),
    ],
    HAProxy: [
        ("timeout client 60s", "timeout client 700ms\n    timeout client-fin 500ms\n    timeout tunnel 500ms"),
        ("timeout server 60s", "timeout server 2s\n    timeout server-fin 500ms\n    timeout queue 500ms"),
        ("timeout http-request 10s", "timeout http-request 2s\n    timeout http-keep-alive 500ms"),
        ("mode http", "mode http\n    option http-server-close"),
    ],
}  # fmt: skip


def through_silence(scene):
    relay = scene.relay()
    ingress = scene.ingress(relay, CHANGES)
    clients = scene.each(
        lambda name: scene.subscribe(
            name, ingress, start="earliest", heartbeat_interval_ms=HEARTBEAT_MS, fetch_omitted=True
        )
    )
    scene.each(lambda name: clients[name].until_connected())
    # Passes time, and does not synchronise: that nothing happens is what is wanted here.
    time.sleep(SILENCE)
    send(ingress, [*(small(number) for number in range(20)), padded("large", 4_000_000)])

    log = held(relay)
    expect(log[-1]["omitted"] == "TOO_LARGE", f"a large event was expected as the last; got {log[-1]}")
    whole = as_printed(relay.call("GetEvent", {"sequence": log[-1]["sequence"]})["event"])
    expected = [*log[:-1], whole]

    def finish(name):
        client = clients[name]
        client.until_events(20)
        connected, events = client.times("connected"), client.times("event")
        # A language that is slow to start may have needed a second attempt to connect.
        lost = [round(at - connected[0], 1) for at in client.times("lost") if connected[0] < at < events[0]]
        expect(not lost, f"streams were lost {lost} s after the first began: {client.said('lost')}")
        client.until_events(len(expected))
        client.stop()
        check(expected, client)
        scene.notes[name] = f"silent for {events[0] - connected[0]:.1f} s, then {len(expected)} events"

    scene.each(finish)
    if not scene.failures:
        eventually("the relay has noticed that all have left", lambda: relay.streams() == 0)
