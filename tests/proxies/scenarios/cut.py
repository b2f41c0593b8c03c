"""Streams and webhooks go through the proxy, over TLS on to the relay, while proxy and relay come and go."""

from polyglot.delivery import check
from polyglot.log import held
from polyglot.waiting import expect
from polyglot.webhooks import Load

from ..haproxy import HAProxy
from ..nginx import Nginx

A_SECOND = 100

# How long a worker may stay that was told to go. The page says an hour.
DEADLINE = {
    Nginx: [("worker_shutdown_timeout 1h;", "worker_shutdown_timeout 1s;")],
    HAProxy: [("hard-stop-after 1h", "hard-stop-after 1s")],
}


def reloaded_killed_drained(scene):
    relay = scene.relay(tls=True)
    ingress = scene.ingress(relay, tls_to_relay=True)
    clients = scene.each(lambda name: scene.subscribe(name, ingress, start="earliest"))
    # What each client said of each trouble.
    heard = {name: [] for name in clients}

    def gets_events(name, count=20):
        client = clients[name]
        client.until("it is connected", lambda: _is_connected(client))
        client.until_events(len(client.events) + count)

    def survives(trouble, cause, reason=""):
        """Every client loses its stream by `cause`, says for which reason, and gets events again."""
        before = {name: len(clients[name].said("lost")) for name in scene.languages}
        cause()

        def recovers(name):
            lost = clients[name].until_lost(before[name] + 1)
            expect(lost["reason"] == reason, f"{trouble}: the reason {reason!r} was expected; got {lost}")
            heard[name].append(f"{trouble}: {lost['reason'] or lost['code']}")
            gets_events(name)

        scene.each(recovers)

    def restart(process, end):
        end()
        process.start()

    with Load(ingress, a_second=A_SECOND):
        scene.each(gets_events)
        _check_streams_outlive_reload(scene, ingress, clients, gets_events)
        survives("proxy killed", lambda: restart(ingress, ingress.kill))
        survives("reloaded", ingress.replace)
        survives("relay drained", lambda: restart(relay, relay.drain), reason="DRAINING")
        survives("relay killed", lambda: restart(relay, relay.kill))
    log = held(relay)
    expected = [f"load-{number}" for number in range(1, len(log) + 1)]
    expect([event["id"] for event in log] == expected, "a webhook that was answered is missing, or there twice")

    def finish(name):
        client = clients[name]
        client.until_events(len(log))
        client.stop()
        check(log, client)
        scene.notes[name] = f"{len(log)} events; {', '.join(heard[name])}"

    scene.each(finish)


def _check_streams_outlive_reload(scene, ingress, clients, gets_events):
    """With an hour's time, the old worker keeps its streams. What is read again holds for the new worker."""
    before = {name: len(clients[name].said("lost")) for name in scene.languages}
    old = ingress.workers()
    ingress.reload(DEADLINE[scene.kind])

    def goes_on(name):
        # As many as come within two of the seconds that the worker would have after the next reload.
        gets_events(name, 2 * A_SECOND)
        lost = clients[name].said("lost")[before[name] :]
        expect(not lost, f"a reload ended the stream, although there is an hour's time: {lost}")

    scene.each(goes_on)
    expect(old <= ingress.workers(), "the old worker is gone, although it had streams")


def _is_connected(client):
    """Whether it is connected, by what it said last."""
    said = [kind for line in list(client.lines) for kind in line if kind in ("connected", "lost")]
    return said[-1:] == ["connected"]
