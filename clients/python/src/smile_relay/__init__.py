"""Subscribes to the events of a smile-relay.

    import smile_relay

    def handle(event: smile_relay.Event) -> None:
        print(event.type_name, event.user_id)

    smile_relay.subscribe(smile_relay.Settings("127.0.0.1:50051"), handle, smile_relay.FileCursorStore("cursor"))

`smile_relay.aio` is the same for asyncio. The messages are in `smilerelay.v1`.
"""

from smilerelay.v1.event_pb2 import Event
from smilerelay.v1.service_pb2 import EventFilter

from ._sync import GapHandler, Handler, Subscriber, subscribe
from .errors import After, Gap, GapDecision, GapError, SettingsError, SmileRelayError, SubscriptionError
from .notices import Connected, ConnectionObserver, Lost, Outcome
from .settings import DEFAULT_MAX_EVENT_BYTES, Settings, Start, Tls
from .stores import CursorStore, FileCursorStore, MemoryCursorStore

__all__ = [
    "DEFAULT_MAX_EVENT_BYTES",
    "After",
    "Connected",
    "ConnectionObserver",
    "CursorStore",
    "Event",
    "EventFilter",
    "FileCursorStore",
    "Gap",
    "GapDecision",
    "GapError",
    "GapHandler",
    "Handler",
    "Lost",
    "MemoryCursorStore",
    "Outcome",
    "Settings",
    "SettingsError",
    "SmileRelayError",
    "Start",
    "Subscriber",
    "SubscriptionError",
    "Tls",
    "subscribe",
]
