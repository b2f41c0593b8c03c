"""A benchmark: what an event costs a client of each language, while catching up and live. Prints a Markdown table.

Catching up, the relay puts as many events into a message as fit 64 KiB: some 300 small ones. What limits the events a
second may be the relay as well as the client; the CPU time is the client's alone, by its own account, from the start of
the subscription on. Each language runs alone, three times; the median is shown.

Live, a message holds one event, as long as events are as far apart as here: each is sent when the one before it is
durable. There is no way to make a relay that catches up send one event a message, so there are no events a second for
such messages, only CPU time, which includes waking up for each. How many events a message really held is counted by
grpcurl, in a run of its own.

What a JVM or V8 takes to compile what it runs is in both.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import tempfile

from . import choice, languages
from .stage import Stage
from .waiting import eventually, expect
from .webhooks import trigger

TYPE = "ACCOUNT_CONNECTED"
PATIENCE = 600


def main():
    arguments = _arguments()
    chosen = languages.named(choice.names(arguments.language))
    choice.check_prerequisites(chosen)
    directory = tempfile.mkdtemp(prefix="catchup-")
    stage = Stage("catchup", chosen, f"{directory}/catchup")
    try:
        relay = stage.relay().start()
        print(_table(stage, relay, arguments))
    finally:
        stage.close()
        shutil.rmtree(directory)


def _arguments():
    parser = argparse.ArgumentParser(prog="tests/polyglot.sh catchup", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000, help="events to catch up with [100000]")
    parser.add_argument("--live", type=int, default=10_000, help="events sent while a client is live [10000]")
    parser.add_argument("--language", default="", metavar="LANGUAGE,...", help="only these")
    return parser.parse_args()


def _table(stage, relay, arguments):
    a_message = _events_a_message(stage, relay)
    trigger(relay, TYPE, "--count", str(arguments.events), "--concurrency", "64", "--quiet")
    caught_up = {name: [_catch_up(stage, name, relay) for _ in range(3)] for name in stage.languages}
    live = {name: _live(stage, name, relay, arguments.live) for name in stage.languages}
    rows = []
    for name, ends in caught_up.items():
        a_second = statistics.median(end["events"] / end["seconds"] for end in ends)
        cpu = statistics.median(_cpu_us(end) for end in ends)
        rows.append(f"| {name} | {a_second:,.0f} | {cpu:.1f} | {_cpu_us(live[name]):.0f} |")
    return "\n".join([
        f"| {arguments.events:,} events caught up with, {arguments.live:,} live ({a_message:.2f} a message) "
        "| caught up, events a second | caught up, CPU us an event | live, CPU us an event |",
        "| --- | --- | --- | --- |",
        *rows,
    ])  # fmt: skip


def _catch_up(stage, name, relay):
    client = stage.start(name, target=relay.grpc, start="earliest", stop_when_caught_up=True, count_only=True)
    return _end(client, "caught_up")


def _live(stage, name, relay, events):
    client = stage.start(name, target=relay.grpc, start="latest", stop_after=events, count_only=True)
    eventually("it is connected", lambda: relay.streams() == 1)
    _send_apart(relay, events)
    return _end(client, "stopped")


def _end(client, how):
    code = client.until_exit(PATIENCE)
    (end,) = client.said("end")
    expect((code, end["how"]) == (0, how), f"{client.language.name} ended with {code}: {end}")
    return end


def _cpu_us(end):
    return end["cpu_seconds"] / end["events"] * 1e6


def _send_apart(relay, events):
    trigger(relay, TYPE, "--count", str(events), "--concurrency", "1", "--quiet")


def _events_a_message(stage, relay, events=1000):
    """How many events a message holds when they are sent one after the other."""
    output = stage.directory / "grpcurl.output"
    with output.open("w") as file:
        stream = subprocess.Popen(
            ["grpcurl", "-plaintext", "-d", "{}", relay.grpc, "smilerelay.v1.RelayService/Subscribe"], stdout=file
        )
    eventually("grpcurl is connected", lambda: relay.streams() == 1)
    _send_apart(relay, events)

    def received():
        messages = re.split(r"^\}$", output.read_text(), flags=re.MULTILINE)
        counts = [message.count('"sequence"') for message in messages]
        return sum(counts) == events and sum(count > 0 for count in counts)

    messages = eventually("grpcurl has printed all", received)
    stream.terminate()
    stream.wait()
    eventually("grpcurl is gone", lambda: relay.streams() == 0)
    return events / messages


if __name__ == "__main__":
    main()
