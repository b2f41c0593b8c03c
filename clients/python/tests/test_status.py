import grpc
from support import details

from smile_relay._status import Status


def failed(*trailing: tuple[str, str | bytes]) -> grpc.RpcError:
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details="words"
    )


def test_reads_the_relays_reason_metadata_and_delay() -> None:
    trailer = details("DRAINING", retry_ms=1500, earliest_cursor="e")
    status = Status.of(failed(("other", "x"), ("grpc-status-details-bin", trailer)))
    assert (status.code, status.message, status.reason) == (grpc.StatusCode.UNAVAILABLE, "words", "DRAINING")
    assert status.from_relay and status.metadata == {"earliest_cursor": "e"} and status.retry_delay == 1.5


def test_another_domains_reason_is_not_the_relays() -> None:
    status = Status.of(failed(("grpc-status-details-bin", details("DRAINING", domain="proxy.example"))))
    assert not status.from_relay and status.reason == "" and status.metadata == {}


def test_without_details_or_with_broken_ones_the_code_still_counts() -> None:
    for error in (failed(), failed(("grpc-status-details-bin", b"\xff\xff"))):
        assert Status.of(error) == Status(grpc.StatusCode.UNAVAILABLE, "words")
