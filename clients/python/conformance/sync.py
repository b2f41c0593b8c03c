"""The conformance program of the blocking face: tests/polyglot runs it."""

from __future__ import annotations

import signal
import sys
import time

from program import Program

import smile_relay


def main() -> int:
    program = Program(sys.argv)

    def handle(event: smile_relay.Event) -> None:
        if program.handle_seconds:
            time.sleep(program.handle_seconds)
        if program.handled(event):
            subscriber.stop()

    path = program.cursor_file
    store = smile_relay.FileCursorStore(path) if path else smile_relay.MemoryCursorStore()
    subscriber = smile_relay.Subscriber(
        program.settings, handle, store, on_gap=program.gap, on_connection=program.connection
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: subscriber.stop())
    try:
        return program.ended(subscriber.run())
    except Exception as error:
        return program.failed(error)


if __name__ == "__main__":
    sys.exit(main())
