"""As service.py, for a service that lives in an asyncio loop.

python example/aio_service.py [TARGET [CURSOR_FILE]]
"""

import asyncio
import logging
import signal
import sys
from decimal import Decimal

from smile_relay import Event, EventFilter, Settings, aio
from smilerelay.v1.event_pb2 import EVENT_TYPE_ACCOUNT_CONNECTED, EVENT_TYPE_TASK_FINISHED


async def handle(event: Event) -> None:
    print(f"{event.sequence}: {event.type_name} of user {event.user_id}")
    if event.HasField("task_finished"):
        for income in event.task_finished.payload.incomes.items:
            if income.HasField("net_amount"):
                print(f"  {income.start_date}: {Decimal(income.net_amount.value)} {income.currency} net")


async def main() -> None:
    settings = Settings(
        sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051",
        filter=EventFilter(types=[EVENT_TYPE_ACCOUNT_CONNECTED, EVENT_TYPE_TASK_FINISHED]),
        start="earliest",
        consumer="example-aio",
    )
    store = aio.FileCursorStore(sys.argv[2] if len(sys.argv) > 2 else "cursor")
    subscriber = aio.Subscriber(settings, handle, store)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, subscriber.stop)
    await subscriber.run()


logging.basicConfig(level=logging.INFO)
asyncio.run(main())
