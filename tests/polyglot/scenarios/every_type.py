"""Each type of webhook, while clients stream, over each transport; the relay is killed in the middle.

What has to come is known twice: from grpcurl, and from the samples' files.
"""

from ..delivery import check
from ..log import held, of_sample
from ..waiting import expect
from ..webhooks import trigger, types


def over_tcp(stage):
    relay = stage.relay()
    _run(stage, relay, target=relay.grpc)


def over_tls(stage):
    authority = stage.authority()
    relay = stage.relay(tls=authority.sign("IP:127.0.0.1"))
    _run(stage, relay, target=relay.grpc, ca_file=authority.certificate)


def over_unix(stage):
    relay = stage.relay()
    _run(stage, relay, target=f"unix:{relay.socket}")


def _run(stage, relay, **transport):
    relay.start()
    clients = stage.each(
        lambda name: stage.start(name, start="latest", cursor_file=stage.cursor_file(name), **transport)
    )
    stage.each(lambda name: clients[name].until_connected())

    names = types()
    expect(len(names) == 37, f"37 samples were expected; got {len(names)}")
    half = len(names) // 2
    _send(relay, names[:half])
    # Clients may have received all of them, or none.
    relay.kill()
    relay.start()
    _send(relay, names[half:])

    expected = held(relay)
    from_files = [of_sample(name, sequence) for sequence, name in enumerate(names, start=1)]
    without_cursor = [{key: value for key, value in event.items() if key != "cursor"} for event in expected]
    expect(without_cursor == from_files, f"the relay does not hold the samples: {without_cursor}")

    def finish(name):
        clients[name].until_events(len(expected))
        clients[name].stop()
        check(expected, clients[name])
        kept = stage.kept_cursor(name)
        expect(kept == expected[-1]["cursor"], f"the last event's cursor was expected in the file; it holds {kept}")

    stage.each(finish)


def _send(relay, names):
    for name in names:
        trigger(relay, name, "--keep-id")
