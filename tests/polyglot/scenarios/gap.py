"""Cursors that are good no more: the application is asked, and nothing is skipped without its word."""

import shutil

from ..delivery import check
from ..log import held
from ..waiting import eventually, expect
from ..webhooks import send, small


def expired(stage):
    """Retention has removed what a client has not read."""
    relay = stage.relay().start()
    send(relay, [small(number, "old") for number in range(10)])

    def read_some(name):
        client = _start(stage, name, relay, stop_after=3)
        client.until_end("stopped")
        check(held(relay)[:3], client)

    stage.each(read_some)
    relay.drain()
    relay.start("--retention", "1s")
    eventually("retention has removed everything", lambda: relay.info()["earliestSequence"] == "11")
    relay.drain()
    relay.start()
    send(relay, [small(number, "new") for number in range(5)])
    log = held(relay)
    expect([event["sequence"] for event in log] == [11, 12, 13, 14, 15], f"the relay holds {log}")
    info = relay.info()

    def ask(name):
        kept = stage.kept_cursor(name)
        wanted = {
            "reason": "CURSOR_EXPIRED",
            "asked": kept,
            "earliest": info["earliestCursor"],
            "latest": info["latestCursor"],
        }
        _fails(stage, name, relay, "OUT_OF_RANGE", wanted)

        earliest = _start(stage, name, relay, on_gap="earliest", stop_when_caught_up=True)
        earliest.until_end("caught_up")
        _expect_gap(earliest, wanted)
        check(log, earliest)

        # Once more with the old cursor: from now on, of which there is nothing.
        stage.cursor_file(name).write_text(kept + "\n")
        latest = _start(stage, name, relay, on_gap="latest", stop_when_caught_up=True)
        latest.until_end("caught_up")
        _expect_gap(latest, wanted)
        check([], latest, log=log)

    stage.each(ask)


def other_log(stage):
    """The log is another one than the client has read: quite another, or one restored from a copy."""
    relay = stage.relay().start()
    send(relay, [small(number) for number in range(5)])
    relay.drain()
    copy = stage.directory / "copy"
    shutil.copytree(relay.data, copy)
    relay.start()
    send(relay, [small(number, "lost") for number in range(5)])
    other = stage.relay("other").start()
    send(other, [small(number, "other") for number in range(3)])

    def read_all(name):
        client = _start(stage, name, relay, stop_when_caught_up=True)
        client.until_end("caught_up")
        check(held(relay), client)
        for which in ("-foreign", "-ahead", "-diverged"):
            shutil.copy(stage.cursor_file(name), stage.cursor_file(name, which))

    stage.each(read_all)
    _ask(stage, other, "-foreign", "CURSOR_FOREIGN_LOG")

    # As after a restore from a backup.
    relay.drain()
    shutil.rmtree(relay.data)
    shutil.copytree(copy, relay.data)
    relay.start()
    _ask(stage, relay, "-ahead", "CURSOR_AHEAD")
    send(relay, [small(number, "others") for number in range(7)])
    _ask(stage, relay, "-diverged", "CURSOR_DIVERGED")


def _ask(stage, relay, which, reason):
    log, info = held(relay), relay.info()

    def ask(name):
        asked = stage.kept_cursor(name, which)
        wanted = {"reason": reason, "asked": asked, "earliest": info["earliestCursor"], "latest": info["latestCursor"]}
        _fails(stage, name, relay, "FAILED_PRECONDITION", wanted, which)
        earliest = _start(stage, name, relay, which, on_gap="earliest", stop_when_caught_up=True)
        earliest.until_end("caught_up")
        _expect_gap(earliest, wanted)
        check(log, earliest)

    stage.each(ask)


def _start(stage, name, relay, which="", **settings):
    return stage.start(
        name, target=relay.grpc, start="earliest", cursor_file=stage.cursor_file(name, which), **settings
    )


def _fails(stage, name, relay, code, wanted, which=""):
    """Without an answer, the subscription ends, and the cursor stays as it is."""
    client = _start(stage, name, relay, which)
    client.until_end("failed", code, wanted["reason"])
    _expect_gap(client, wanted)
    expect(not client.events, f"nothing may be skipped; got {client.events}")
    expect(not client.said("lost"), f"a gap is no lost stream; told of {client.said('lost')}")
    kept = stage.kept_cursor(name, which)
    expect(kept == wanted["asked"], f"the cursor was changed to {kept}")


def _expect_gap(client, wanted):
    gaps = client.said("gap")
    expect(gaps == [wanted], f"the gap {wanted} was expected; got {gaps}")
