import pytest
from grpc import StatusCode

from smile_relay._retry import Backoff, Verdict, final_error, judge
from smile_relay._status import Status


def relay(code: StatusCode, reason: str) -> Status:
    return Status(code, "words", from_relay=True, reason=reason)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status(None), Verdict.RETRY),
        (Status(StatusCode.OK), Verdict.RETRY),
        (Status(StatusCode.UNAVAILABLE), Verdict.RETRY),
        (relay(StatusCode.UNAVAILABLE, "DRAINING"), Verdict.RETRY),
        (Status(StatusCode.UNKNOWN), Verdict.RETRY),
        (Status(StatusCode.INTERNAL), Verdict.RETRY),
        (Status(StatusCode.ABORTED), Verdict.RETRY),
        (Status(StatusCode.CANCELLED), Verdict.RETRY),
        (Status(StatusCode.DEADLINE_EXCEEDED), Verdict.RETRY),
        (relay(StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"), Verdict.RETRY),
        (Status(StatusCode.RESOURCE_EXHAUSTED), Verdict.FINAL),
        (relay(StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED"), Verdict.GAP),
        (relay(StatusCode.OUT_OF_RANGE, "OTHER"), Verdict.FINAL),
        (Status(StatusCode.OUT_OF_RANGE), Verdict.FINAL),
        (relay(StatusCode.FAILED_PRECONDITION, "CURSOR_FOREIGN_LOG"), Verdict.GAP),
        (relay(StatusCode.FAILED_PRECONDITION, "CURSOR_DIVERGED"), Verdict.GAP),
        (relay(StatusCode.FAILED_PRECONDITION, "CURSOR_AHEAD"), Verdict.GAP),
        (relay(StatusCode.FAILED_PRECONDITION, "CURSOR_EXPIRED"), Verdict.FINAL),
        (Status(StatusCode.FAILED_PRECONDITION), Verdict.FINAL),
        (Status(StatusCode.INVALID_ARGUMENT), Verdict.FINAL),
        (Status(StatusCode.PERMISSION_DENIED), Verdict.FINAL),
        (Status(StatusCode.NOT_FOUND), Verdict.FINAL),
        (Status(StatusCode.UNIMPLEMENTED), Verdict.FINAL),
        (Status(StatusCode.DATA_LOSS), Verdict.FINAL),
    ],
)
def test_verdicts(status: Status, verdict: Verdict) -> None:
    assert judge(status, has_token_file=True) is verdict
    assert judge(status, has_token_file=False) is verdict


def test_unauthenticated_passes_only_with_a_token_file_that_may_be_replaced() -> None:
    assert judge(Status(StatusCode.UNAUTHENTICATED), has_token_file=True) is Verdict.RETRY
    assert judge(Status(StatusCode.UNAUTHENTICATED), has_token_file=False) is Verdict.FINAL


def test_a_message_over_the_limit_names_what_to_raise() -> None:
    for code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.OUT_OF_RANGE):
        text = str(final_error(Status(code, "too large"), 3 << 20))
        assert "max_event_bytes, now 3,145,728" in text and "grpc.max_receive_message_length" in text
    assert "max_event_bytes" not in str(final_error(relay(StatusCode.OUT_OF_RANGE, "OTHER"), 3 << 20))


def test_delays_double_from_half_to_the_whole_and_stop_at_the_longest() -> None:
    bounds: list[tuple[float, float]] = []

    def longest(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    backoff = Backoff(0.1, 0.5, longest)
    assert [backoff.next() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    assert bounds[2] == (0.2, 0.4)
    backoff.reset()
    assert backoff.next() == 0.1


def test_the_relay_is_never_asked_sooner_than_it_said() -> None:
    assert Backoff(0.1, 0.5).next(at_least=7.0) == 7.0


def test_many_failures_in_a_row_do_not_overflow() -> None:
    backoff = Backoff(0.1, 10.0)
    assert all(backoff.next() <= 10.0 for _ in range(5000))
