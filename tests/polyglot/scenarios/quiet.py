"""Filters. What they let through comes, and where they let nothing through, the cursor moves on all the same."""

from ..delivery import check
from ..log import held
from ..waiting import eventually, expect
from ..webhooks import send, small, trigger


def filtered(stage):
    relay = stage.relay().start()
    send(relay, [small(number) for number in range(300)])
    trigger(relay, "USER_CREATED", "--keep-id")
    send(relay, [small(number, "more") for number in range(300)])

    def subscribe(name):
        log = held(relay)
        for wanted, settings in (
            ([event for event in log if event["data"] != "account_connected"],
             {"types": ["EVENT_TYPE_USER_CREATED"], "type_names": ["TASK_STARTED"]}),
            ([event for event in log if event["user_id"] == "u-Parañaque-山" and event["data"] == "task_started"],
             {"user_ids": ["u-Parañaque-山"], "type_names": ["TASK_STARTED"], "endpoints": ["smile"]}),
            ([], {"endpoints": ["another"]}),
        ):  # fmt: skip
            client = stage.start(name, target=relay.grpc, start="earliest", filter=settings, stop_when_caught_up=True)
            client.until_end("caught_up")
            check(wanted, client, log=log)

        # Nothing comes; the checkpoints' cursors are kept, so that the past is not read again.
        file, last = stage.cursor_file(name), log[-1]["cursor"]
        settings = {
            "target": relay.grpc, "start": "earliest", "cursor_file": file, "filter": {"user_ids": ["nobody"]},
            "heartbeat_interval_ms": 1000,
        }  # fmt: skip
        client = stage.start(name, **settings)
        eventually("the cursor of the log's end is kept", lambda: file.exists() and stage.kept_cursor(name) == last)
        client.stop()
        again = stage.start(name, **settings)
        again.until_connected()
        after = again.said("connected")[0]["after"]
        expect(after == last, f"it resumed after {after!r}; expected {last!r}")
        again.stop()

    stage.each(subscribe)
