"""As service.py, for a service that lives in an asyncio loop.

python example/aio_service.py [ADDRESS [CURSOR_FILE]]
"""

import asyncio
import logging
import os
import signal
import sys
from decimal import Decimal

from smile_relay import Event, Settings, Tls, aio


async def handle(event: Event) -> None:
    print(event.sequence, event.id, event.type_name, event.user_id, flush=True)
    if event.HasField("task_finished"):
        for income in event.task_finished.payload.incomes.items:
            if income.HasField("net_amount"):
                print(f"  {income.start_date}: {Decimal(income.net_amount.value)} {income.currency} net", flush=True)


async def main() -> None:
    env = os.environ
    address = sys.argv[1] if len(sys.argv) > 1 else env.get("SMILE_RELAY_ADDRESS", "127.0.0.1:50051")
    settings = Settings(
        address.removeprefix("http://").removeprefix("https://"),
        tls=Tls(ca_file=env.get("SMILE_RELAY_CA_FILE")) if address.startswith("https://") else None,
        token_file=env.get("SMILE_RELAY_TOKEN_FILE"),
        start="earliest",
        consumer="example-aio",
    )
    store = aio.FileCursorStore(sys.argv[2] if len(sys.argv) > 2 else env.get("SMILE_RELAY_CURSOR_FILE", "cursor"))
    subscriber = aio.Subscriber(settings, handle, store)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, subscriber.stop)
    await subscriber.run()


logging.basicConfig(level=logging.INFO)
asyncio.run(main())
