"""Prints what people earn, as Smile reports it. Goes on where it was when it is started again; ends on SIGTERM.

python example/service.py [TARGET [CURSOR_FILE]]
"""

import logging
import signal
import sys
from decimal import Decimal

from smile_relay import Event, EventFilter, FileCursorStore, Settings, Subscriber
from smilerelay.v1.event_pb2 import EVENT_TYPE_ACCOUNT_CONNECTED, EVENT_TYPE_TASK_FINISHED


def handle(event: Event) -> None:
    print(f"{event.sequence}: {event.type_name} of user {event.user_id}")
    if event.HasField("task_finished"):
        for income in event.task_finished.payload.incomes.items:
            if income.HasField("net_amount"):
                print(f"  {income.start_date}: {Decimal(income.net_amount.value)} {income.currency} net")


logging.basicConfig(level=logging.INFO)
settings = Settings(
    sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051",
    filter=EventFilter(types=[EVENT_TYPE_ACCOUNT_CONNECTED, EVENT_TYPE_TASK_FINISHED]),
    start="earliest",
    consumer="example",
)
store = FileCursorStore(sys.argv[2] if len(sys.argv) > 2 else "cursor")
subscriber = Subscriber(settings, handle, store)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: subscriber.stop())
subscriber.run()
