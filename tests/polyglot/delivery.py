"""What the contract says of delivery, precisely.

In one process: every event of the log that the filter lets through, once, in order, as the log holds it. A reconnect
repeats nothing, as the loop resumes after the event that it handled last, or at a later place before which nothing is
left to deliver.

Across processes that share a cursor file: the same, if the first was stopped. If it was killed (-9), the first event of
the next may be the last one of the former once more, identical, and nothing else.
"""

from .waiting import Failure, expect


def check(expected, *programs, log=None, killed=False):
    """Compares what these successive programs printed with `expected`, the events that should have come.

    `log` are all events that the relay held, where `expected` are some of them. `killed`: all programs but the last
    were.
    """
    positions = {event["cursor"]: event["sequence"] for event in log or expected}
    handled = 0
    for number, program in enumerate(programs):
        # How many of the handled events the program knows to be handled when it starts.
        known = max(0, handled - 1) if killed and number else handled
        is_resuming = number > 0
        for line in list(program.lines):
            if "event" in line:
                is_repeated = known < handled and line["event"] == expected[known]
                if not is_repeated:
                    _compare(expected, handled, line["event"])
                    handled += 1
                known = handled
            elif "connected" in line:
                if is_resuming:
                    _check_place(expected, positions, known, handled, line["connected"]["after"])
                is_resuming = True
            elif not line.keys() & {"lost", "gap", "end"}:
                raise Failure(f"this line is not of the protocol: {line}")
    expect(handled == len(expected), f"{len(expected)} events were expected; got {handled}, then nothing more")


def _compare(expected, handled, event):
    if handled < len(expected) and event == expected[handled]:
        return
    place = f"event {handled + 1} of {len(expected)}"
    if event["sequence"] in [before["sequence"] for before in expected[:handled]]:
        raise Failure(f"{place}: sequence {event['sequence']} came a second time: {event}")
    if handled >= len(expected):
        raise Failure(f"{place}: nothing more was expected; got {event}")
    wanted = expected[handled]
    if event["sequence"] != wanted["sequence"]:
        raise Failure(f"{place}: sequence {wanted['sequence']} was expected; got {event}")
    names = [name for name in {**wanted, **event} if wanted.get(name) != event.get(name)]
    differences = "; ".join(f"{name} {wanted.get(name)!r} was expected, got {event.get(name)!r}" for name in names)
    raise Failure(f"{place} ({wanted['type_name']}): {differences}")


def _check_place(expected, positions, known, handled, after):
    """`after` is a place between the last event that is known to be handled and the next one that is not."""
    if after not in positions:
        # None, or a checkpoint's before the first event: good as long as there is nothing behind it.
        expect(known == 0, f"it resumed after {after!r}, although it had handled {known} events")
        return
    least = expected[known - 1]["sequence"] if known else 0
    most = expected[handled]["sequence"] - 1 if handled < len(expected) else max(positions.values())
    expect(
        least <= positions[after] <= most,
        f"it resumed after sequence {positions[after]}; {least} was handled last, and {most} is before the next",
    )
