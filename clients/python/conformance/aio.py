"""The conformance program of the asyncio face: tests/polyglot runs it."""

from __future__ import annotations

import asyncio
import signal
import sys

from program import Program

import smile_relay
from smile_relay import aio


async def main() -> int:
    program = Program(sys.argv)

    async def handle(event: smile_relay.Event) -> None:
        if program.handle_seconds:
            await asyncio.sleep(program.handle_seconds)
        if program.handled(event):
            subscriber.stop()

    async def on_gap(gap: smile_relay.Gap) -> smile_relay.GapDecision:
        return program.gap(gap)

    path = program.cursor_file
    store = aio.FileCursorStore(path) if path else aio.MemoryCursorStore()
    subscriber = aio.Subscriber(program.settings, handle, store, on_gap=on_gap, on_connection=program.connection)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, subscriber.stop)
    try:
        return program.ended(await subscriber.run())
    except Exception as error:
        return program.failed(error)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
