"""What a subscription is told: where the relay is, what to deliver, from where on. Data only, checked when made."""

from __future__ import annotations

import ipaddress
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from smilerelay.v1.service_pb2 import EventFilter

from .errors import SettingsError

__all__ = ["DEFAULT_MAX_EVENT_BYTES", "Settings", "Start", "Tls"]

Start: TypeAlias = Literal["latest", "earliest"] | datetime
"""Where to begin without a cursor: with what comes from now on, with the oldest event kept, or with the first event
received at or after a time (which needs a time zone)."""

DEFAULT_MAX_EVENT_BYTES = 3 << 20
"""3 MiB: gRPC refuses messages over 4 MiB unless it is told otherwise."""


@dataclass(frozen=True)
class Tls:
    """How the relay is verified, and who we are. Files are read again for every connection, so they may be renewed."""

    ca_file: str | None = None
    """PEM file of the authorities to trust. Default: those of the system."""
    cert_file: str | None = None
    """PEM file of the client certificate, with its chain. Default: none."""
    key_file: str | None = None
    """PEM file of its key, unencrypted. Needed with `cert_file`."""
    server_name: str | None = None
    """The name that the relay's certificate is for. Default: the target's host."""

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise SettingsError("Tls: cert_file and key_file are needed together")


@dataclass(frozen=True)
class Settings:
    """What to subscribe to, and how. Raises SettingsError for what can't work."""

    target: str
    """`host:port`, or `unix:/path` for a socket."""
    _: KW_ONLY
    filter: EventFilter | None = None
    """Which events to deliver. Default: every webhook."""
    start: Start = "latest"
    """Where to begin when the cursor store is empty. Otherwise it has no effect."""
    tls: Tls | None = None
    """Default: plaintext, which the relay serves on loopback addresses and sockets."""
    token_file: str | None = None
    """A file whose content is sent as `authorization: Bearer ...`; read again for each call. Only with `tls`, a
    loopback address or a socket. Default: none."""
    include_raw_body: bool = False
    """Deliver the exact bytes and the signature that Smile sent as well."""
    stop_when_caught_up: bool = False
    """End once everything is delivered that the log held when the stream opened."""
    heartbeat_interval: float = 15.0
    """Seconds, 1 to 300. The relay is never silent for longer; after twice as long the stream is taken for dead."""
    consumer: str = ""
    """A name for the relay's metrics and logs, at most 128 bytes. Not an identity."""
    max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    """A larger event comes `omitted`. 4,096 or more. The receive limit of the channel is 1 MiB above it."""
    fetch_omitted: bool = False
    """Fetch an event that comes omitted as TOO_LARGE, and hand on the whole of it."""
    backoff_initial: float = 0.1
    """Seconds: the longest delay before the first attempt to reconnect. It doubles with each failure in a row."""
    backoff_max: float = 10.0
    """Seconds: the longest delay between attempts to reconnect, unless the relay asks for more."""

    def __post_init__(self) -> None:
        if not self.is_unix:
            _check_host_and_port(self.target)
        if not self.target.removeprefix("unix:"):
            raise SettingsError("target: unix: needs the path of a socket")
        if self.token_file is not None and not (self.tls or self.is_local):
            raise SettingsError(
                "token_file: a token is sent only over TLS, to a loopback address or to a Unix socket; set tls"
            )
        if isinstance(self.start, datetime):
            if self.start.tzinfo is None:
                raise SettingsError("start: a time needs a time zone, as in datetime.now(timezone.utc)")
        elif self.start not in ("latest", "earliest"):
            raise SettingsError(f"start: {self.start!r} is not 'latest', 'earliest' or a datetime")
        if not 1 <= self.heartbeat_interval <= 300:
            raise SettingsError("heartbeat_interval: from 1 to 300 seconds")
        if len(self.consumer.encode()) > 128:
            raise SettingsError("consumer: at most 128 bytes")
        if not 4096 <= self.max_event_bytes < (1 << 31) - (1 << 20):
            raise SettingsError("max_event_bytes: from 4,096 to 1 MiB less than 2 GiB")
        if not 0 < self.backoff_initial <= self.backoff_max:
            raise SettingsError("backoff_initial: more than 0, and at most backoff_max")

    @property
    def is_unix(self) -> bool:
        """Whether the target is a Unix socket."""
        return self.target.startswith("unix:")

    @property
    def is_local(self) -> bool:
        """Whether what is sent to the target stays on this machine: a Unix socket or a loopback address."""
        if self.is_unix:
            return True
        host = self.target.rpartition(":")[0].strip("[]")
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def _check_host_and_port(target: str) -> None:
    host, _, port = target.rpartition(":")
    plain_host = host and "/" not in host and (":" not in host or (host.startswith("[") and host.endswith("]")))
    if not plain_host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise SettingsError(
            f"target: {target!r} is neither host:port nor unix:/path; an IPv6 address stands in brackets"
        )
