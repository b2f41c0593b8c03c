"""An event of 6 MB, twice what a client takes by default, between two small ones."""

from ..delivery import check
from ..log import as_printed, held
from ..waiting import expect
from ..webhooks import send, small, task_finished


def six_megabytes(stage):
    relay = stage.relay().start()
    body = task_finished("et-large", items=36_000)
    expect(6_000_000 < len(body) < 7_000_000, f"6 MB were expected; it has {len(body)} bytes")
    bodies = [small(1), body, small(2)]
    send(relay, bodies)

    stubs = held(relay)
    expect([event["omitted"] for event in stubs] == ["", "TOO_LARGE", ""], f"the relay lists {stubs}")
    whole = [stubs[0], as_printed(relay.call("GetEvent", {"sequence": 2})["event"]), stubs[2]]
    expect((whole[1]["data"], whole[1]["net_amount"]) == ("task_finished", "19864.3300"), f"the relay holds {whole[1]}")
    with_raw = [{**event, "raw_bytes": len(sent)} for event, sent in zip(whole, bodies, strict=True)]

    def receive(name):
        settings = {"start": "earliest", "stop_when_caught_up": True}
        for expected, more in (
            (stubs, {}),
            (whole, {"fetch_omitted": True}),
            (with_raw, {"max_event_bytes": 16 << 20, "include_raw_body": True}),
        ):
            client = stage.start(name, target=relay.grpc, **settings, **more)
            client.until_end("caught_up")
            check(expected, client)

        # The connection is reset while the event is fetched, and the fetch made again.
        proxy = stage.proxy(relay.grpc)
        proxy.reset_after(1_000_000, 1_500_000, 3_000_000)
        client = stage.start(name, target=proxy.address, fetch_omitted=True, include_raw_body=True, **settings)
        client.until_end("caught_up")
        check(with_raw, client)
        expect(proxy.accepted > 1, "the connection was not reset: the event went past the proxy")

    stage.each(receive)
