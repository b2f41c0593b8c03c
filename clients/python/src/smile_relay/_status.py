"""How a call ended, read from a gRPC error: the code, and what the relay says in the status's details."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus

_DOMAIN = "smile-relay"
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True)
class Status:
    """The end of a stream or a call."""

    code: grpc.StatusCode | None
    """None: it was dead, and we gave it up."""
    message: str = ""
    from_relay: bool = False
    """Whether it has an ErrorInfo of the relay's domain. Without one it may come from the gRPC library or a proxy."""
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The ErrorInfo's."""
    retry_delay: float = 0.0
    """Seconds that the relay asks to wait."""

    @staticmethod
    def of(error: grpc.RpcError) -> Status:
        """Reads an error raised by a call. Both of grpcio's APIs raise errors that have these methods."""
        assert isinstance(error, (grpc.Call, grpc.aio.AioRpcError)), "calls raise nothing else"
        code, message = error.code(), error.details() or ""
        info, retry = _details(error.trailing_metadata() or ())
        from_relay = info.domain == _DOMAIN
        return Status(
            code=code,
            message=message,
            from_relay=from_relay,
            reason=info.reason if from_relay else "",
            metadata=dict(info.metadata) if from_relay else {},
            retry_delay=max(0.0, retry.retry_delay.ToTimedelta().total_seconds()),
        )


class Ended(Exception):
    """A stream or a call has ended, in a way that is still to be judged. Never leaves this package."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


def _details(trailing_metadata: Iterable[tuple[str, str | bytes]]) -> tuple[ErrorInfo, RetryInfo]:
    info, retry = ErrorInfo(), RetryInfo()
    for key, value in trailing_metadata:
        if key == _DETAILS and isinstance(value, bytes):
            # What can't be read is a proxy's, perhaps. The code and the message still say what happened.
            with contextlib.suppress(DecodeError):
                for detail in RpcStatus.FromString(value).details:
                    _ = detail.Unpack(info) or detail.Unpack(retry)  # each takes what is of its own type
    return info, retry
