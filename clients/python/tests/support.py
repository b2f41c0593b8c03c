"""What several tests need: statuses as the relay sends them, messages, and a relay made of a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus

from smile_relay import Event
from smilerelay.v1.service_pb2 import Checkpoint, GetEventRequest, GetEventResponse, SubscribeRequest, SubscribeResponse
from smilerelay.v1.service_pb2_grpc import RelayServiceServicer, add_RelayServiceServicer_to_server

Script = Callable[[SubscribeRequest, grpc.ServicerContext], Iterator[SubscribeResponse]]


def details(reason: str, *, domain: str = "smile-relay", retry_ms: int | None = None, **metadata: str) -> bytes:
    """The value of grpc-status-details-bin."""
    parts: list[ErrorInfo | RetryInfo] = [ErrorInfo(reason=reason, domain=domain, metadata=metadata)]
    if retry_ms is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(retry_ms)
        parts.insert(0, retry)
    packed = []
    for part in parts:
        detail = AnyMessage()
        detail.Pack(part)
        packed.append(detail)
    return RpcStatus(details=packed).SerializeToString()


def event(sequence: int) -> Event:
    """An event whose cursor is "c" and its sequence."""
    return Event(sequence=sequence, cursor=f"c{sequence}", id=f"id-{sequence}")


def message(*sequences: int, checkpoint: str = "", heartbeat_ms: int = 15_000) -> SubscribeResponse:
    """A message of the stream."""
    response = SubscribeResponse(events=[event(sequence) for sequence in sequences])
    if checkpoint:
        response.checkpoint.CopyFrom(Checkpoint(cursor=checkpoint))
        response.checkpoint.heartbeat_interval.FromMilliseconds(heartbeat_ms)
    return response


class ScriptedRelay(RelayServiceServicer):
    """Serves one script a stream, the last one again and again. Remembers what it was asked."""

    def __init__(self, *scripts: Script) -> None:
        self.requests: list[SubscribeRequest] = []
        self.peers: list[str] = []
        self.gone = threading.Event()
        self._scripts = scripts
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        add_RelayServiceServicer_to_server(self, self._server)
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def Subscribe(self, request: SubscribeRequest, context: Any) -> Iterator[SubscribeResponse]:
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        self.peers.append(context.peer())
        yield from script(request, context)

    def GetEvent(self, request: GetEventRequest, context: Any) -> GetEventResponse:
        whole = event(int(request.cursor.removeprefix("c")))
        whole.raw_body = b"x" * (6 << 20)
        return GetEventResponse(event=whole)

    def ListEvents(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def GetRelayInfo(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def __enter__(self) -> ScriptedRelay:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()


def sends(*messages: SubscribeResponse) -> Script:
    """Sends these, and then nothing until the client goes."""

    def script(_: SubscribeRequest, context: grpc.ServicerContext) -> Iterator[SubscribeResponse]:
        gone = threading.Event()
        context.add_callback(gone.set)
        yield from messages
        gone.wait()

    return script


def fails(code: grpc.StatusCode, *messages: SubscribeResponse, trailer: bytes | None = None) -> Script:
    """Sends these, and then an error."""

    def script(_: SubscribeRequest, context: grpc.ServicerContext) -> Iterator[SubscribeResponse]:
        yield from messages
        if trailer is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", trailer),))
        context.abort(code, "scripted")

    return script


def ends(*messages: SubscribeResponse) -> Script:
    """Sends these, and then ends with OK."""
    return lambda _request, _context: iter(messages)
