"""Prints what people earn, as Smile reports it. Goes on where it was when it is started again; ends on SIGTERM.

python example/service.py [ADDRESS [CURSOR_FILE]]

Or by the environment: SMILE_RELAY_ADDRESS (host:port, https://host:port or unix:/path), SMILE_RELAY_CURSOR_FILE, and
for a relay beyond this machine SMILE_RELAY_CA_FILE and SMILE_RELAY_TOKEN_FILE.
"""

import logging
import os
import signal
import sys
from decimal import Decimal

from smile_relay import Event, FileCursorStore, Settings, Subscriber, Tls


def handle(event: Event) -> None:
    print(event.sequence, event.id, event.type_name, event.user_id, flush=True)
    if event.HasField("task_finished"):
        for income in event.task_finished.payload.incomes.items:
            if income.HasField("net_amount"):
                print(f"  {income.start_date}: {Decimal(income.net_amount.value)} {income.currency} net", flush=True)


logging.basicConfig(level=logging.INFO)
env = os.environ
address = sys.argv[1] if len(sys.argv) > 1 else env.get("SMILE_RELAY_ADDRESS", "127.0.0.1:50051")
settings = Settings(
    address.removeprefix("http://").removeprefix("https://"),
    tls=Tls(ca_file=env.get("SMILE_RELAY_CA_FILE")) if address.startswith("https://") else None,
    token_file=env.get("SMILE_RELAY_TOKEN_FILE"),
    start="earliest",
    consumer="example",
)
store = FileCursorStore(sys.argv[2] if len(sys.argv) > 2 else env.get("SMILE_RELAY_CURSOR_FILE", "cursor"))
subscriber = Subscriber(settings, handle, store)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: subscriber.stop())
subscriber.run()
