"""What trying again can't mend ends the subscription at once; what it may mend is tried again."""

from ..delivery import check
from ..log import held
from ..waiting import expect
from ..webhooks import send, small

PROMPTLY = 20


def invalid_request(stage):
    """Requests that the relay refuses, and arguments that are none."""
    relay = stage.relay().start()

    def ask(name):
        # What a package can't know to be wrong is the relay's to say.
        stage.cursor_file(name).write_text("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-\n")
        settings = {"target": relay.grpc, "start": "earliest"}
        client = stage.start(name, cursor_file=stage.cursor_file(name), **settings)
        client.until_end("failed", "INVALID_ARGUMENT", seconds=PROMPTLY)
        _expect_no_retry(client)
        # What it can know, it may say itself.
        for wrong in ({"heartbeat_interval_ms": 1}, {"max_event_bytes": 100}):
            client = stage.start(name, **settings, **wrong)
            code = client.until_exit(PROMPTLY)
            expect(code in (1, 2), f"an error was expected for {wrong}; it ended with {code}")
            _expect_no_retry(client)
        for argument in ("{}", "this is no JSON"):
            client = stage.start_with(name, argument)
            code = client.until_exit(PROMPTLY)
            expect(code == 2, f"exit code 2 was expected for the argument {argument}; got {code}")

    stage.each(ask)


def _expect_no_retry(client):
    expect(not client.said("lost"), f"an invalid request is not tried again; told of {client.said('lost')}")
    expect(not client.said("connected"), f"an invalid request does not connect; told of {client.said('connected')}")


def wrong_tls(stage):
    """A CA that did not sign the relay, a name that is not the relay's, TLS only there, TLS only here.

    gRPC gives UNAVAILABLE for a failed handshake, as for any connection that fails, and a certificate can be replaced
    any time: it is tried again, or, where a package tells it apart, final. It never hangs, and never connects.
    """
    authority, stranger = stage.authority(), stage.authority("stranger")
    relay = stage.relay(tls=authority.sign("DNS:relay.test")).start()
    plain = stage.relay("plain").start()
    send(relay, [small(number) for number in range(5)])
    log = held(relay)
    good = {"target": relay.grpc, "ca_file": authority.certificate, "server_name": "relay.test"}

    def connect(name):
        client = stage.start(name, start="earliest", stop_when_caught_up=True, **good)
        client.until_end("caught_up")
        check(log, client)
        stage.notes[name] = "; ".join([
            f"wrong CA: {_refused(stage, name, {**good, 'ca_file': stranger.certificate})}",
            f"wrong name: {_refused(stage, name, {**good, 'server_name': 'another.test'})}",
            f"TLS only here: {_refused(stage, name, {**good, 'target': plain.grpc})}",
            f"TLS only there: {_refused(stage, name, {'target': relay.grpc})}",
        ])  # fmt: skip

    stage.each(connect)


def _refused(stage, name, settings):
    client = stage.start(name, start="earliest", **settings)
    client.until("it has failed twice, or ended", lambda: len(client.said("lost")) > 1 or client.said("end"))
    expect(not client.said("connected") and not client.events, "it connected without the right TLS")
    if ends := client.said("end"):
        client.until_exit(PROMPTLY)
        return f"ends with {ends[0]['code']}"
    client.stop(PROMPTLY)
    return f"retries {client.said('lost')[0]['code']}"
