"""How a channel to the relay is made; the same for grpcio's two APIs.

Every attempt gets a channel of its own. A connection that is dead, or that waits in gRPC's own backoff, is thus never
taken up again: closing the channel is the one way grpcio has to drop one.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import grpc

from .errors import SettingsError
from .settings import Settings, Tls

_KEEPALIVE_MS = 30_000
_KEEPALIVE_TIMEOUT_MS = 10_000
_READ_AHEAD_BYTES = 1 << 20
_ABOVE_MAX_EVENT_BYTES = 1 << 20
"""What a message may hold beside its one large event."""

_SYSTEM_ROOTS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


@dataclass(frozen=True)
class Access:
    """What was read from the files that the settings name."""

    credentials: grpc.ChannelCredentials | None
    """None: plaintext."""
    metadata: tuple[tuple[str, str], ...]
    """Goes with every call."""


def read_access(settings: Settings) -> Access:
    """Reads them as they are now. Raises SettingsError for what can't be read or used."""
    credentials = None if settings.tls is None else _read_credentials(settings.tls)
    return Access(credentials, read_metadata(settings))


def read_metadata(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Reads the token, if there is one. Raises SettingsError if it can't be used."""
    if settings.token_file is None:
        return ()
    token = _read(settings.token_file, "token_file").decode("ascii", errors="replace").strip()
    # What is wrong is said without repeating any of it.
    if not token:
        raise SettingsError(f"token_file: {settings.token_file} is empty")
    if not (token.isascii() and token.isprintable()):
        raise SettingsError(f"token_file: {settings.token_file} has characters that can't be sent in a header")
    return (("authorization", f"Bearer {token}"),)


def channel_options(settings: Settings) -> list[tuple[str, str | int]]:
    """The options that both kinds of channel get."""
    backoff_ms = max(1, int(settings.backoff_max * 1000))
    limit = settings.max_event_bytes + _ABOVE_MAX_EVENT_BYTES
    options: list[tuple[str, str | int]] = [
        ("grpc.primary_user_agent", f"smile-relay-client-python/{version('smile-relay-client')}"),
        # The stream has its limit by the service config. GetEvent shares the connection and asks for one large event.
        ("grpc.max_receive_message_length", -1),
        ("grpc.service_config", _service_config(limit)),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        # grpcio waits for as long as this instead, a minute by default.
        ("grpc.http2.ping_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        # What a slow handler has not taken waits at the relay: left to itself, grpcio reads tens of megabytes ahead.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _READ_AHEAD_BYTES),
        # Without it, channels of one process share connections, and a new channel gets the dead one back.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", min(backoff_ms, 1000)),
        ("grpc.max_reconnect_backoff_ms", backoff_ms),
    ]
    if settings.is_unix:
        # gRPC would send the socket's path as :authority, which HTTP/2 servers refuse with PROTOCOL_ERROR.
        options.append(("grpc.default_authority", "localhost"))
    if settings.is_local:
        options.append(("grpc.enable_http_proxy", 0))
    if settings.tls is not None and settings.tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", settings.tls.server_name))
        options.append(("grpc.default_authority", settings.tls.server_name))
    return options


def _service_config(limit: int) -> str:
    subscribe = {"service": "smilerelay.v1.RelayService", "method": "Subscribe"}
    return json.dumps({"methodConfig": [{"name": [subscribe], "maxResponseMessageBytes": limit}]})


def _read_credentials(tls: Tls) -> grpc.ChannelCredentials:
    roots = _system_roots() if tls.ca_file is None else _read(tls.ca_file, "ca_file")
    cert = None if tls.cert_file is None else _read(tls.cert_file, "cert_file")
    key = None if tls.key_file is None else _read(tls.key_file, "key_file")
    _check_certificates(tls)
    return grpc.ssl_channel_credentials(root_certificates=roots, private_key=key, certificate_chain=cert)


def _check_certificates(tls: Tls) -> None:
    """gRPC takes any bytes, and then fails each handshake without a word about why."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca_file is not None:
        try:
            context.load_verify_locations(tls.ca_file)
        except ssl.SSLError as error:
            raise SettingsError(f"ca_file: {tls.ca_file} is not a PEM file of certificates: {error}") from error
    if tls.cert_file is not None:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except ssl.SSLError as error:
            raise SettingsError(f"cert_file and key_file don't belong together, or are not PEM: {error}") from error


def _system_roots() -> bytes | None:
    """grpcio's own default is a list of authorities that it brings along; a company's own would not be in it."""
    for path in (ssl.get_default_verify_paths().cafile, *_SYSTEM_ROOTS):
        if path is not None:
            try:
                return Path(path).read_bytes()
            except OSError:
                continue
    return None


def _read(path: str, setting: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{setting}: {error}") from error
