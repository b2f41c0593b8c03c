package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.smilerelay.client.RelayError.Verdict;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import java.net.ConnectException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RelayErrorTest {
  @ParameterizedTest
  @CsvSource({
    "OK, '', RETRY",
    "UNAVAILABLE, '', RETRY",
    "UNAVAILABLE, DRAINING, RETRY",
    "UNKNOWN, '', RETRY",
    "INTERNAL, '', RETRY",
    "ABORTED, '', RETRY",
    "CANCELLED, '', RETRY",
    "DEADLINE_EXCEEDED, '', RETRY",
    "RESOURCE_EXHAUSTED, TOO_MANY_STREAMS, RETRY",
    "RESOURCE_EXHAUSTED, TOO_MANY_STARTS, RETRY",
    "RESOURCE_EXHAUSTED, '', FINAL",
    "OUT_OF_RANGE, CURSOR_EXPIRED, GAP",
    "OUT_OF_RANGE, '', FINAL",
    "OUT_OF_RANGE, CURSOR_AHEAD, FINAL",
    "FAILED_PRECONDITION, CURSOR_FOREIGN_LOG, GAP",
    "FAILED_PRECONDITION, CURSOR_DIVERGED, GAP",
    "FAILED_PRECONDITION, CURSOR_AHEAD, GAP",
    "FAILED_PRECONDITION, '', FINAL",
    "FAILED_PRECONDITION, CURSOR_EXPIRED, FINAL",
    "INVALID_ARGUMENT, '', FINAL",
    "PERMISSION_DENIED, '', FINAL",
    "NOT_FOUND, EVENT_NOT_FOUND, FINAL",
    "UNIMPLEMENTED, '', FINAL",
    "DATA_LOSS, '', FINAL",
    "ALREADY_EXISTS, '', FINAL",
    "UNAUTHENTICATED, '', FINAL",
  })
  void decides(Code code, String reason, Verdict verdict) {
    assertEquals(verdict, error(code, reason).verdict(false));
  }

  @Test
  void aRefusedTokenFromAFileIsTriedAgain() {
    assertEquals(Verdict.RETRY, error(Code.UNAUTHENTICATED, "").verdict(true));
    assertEquals(Verdict.FINAL, error(Code.PERMISSION_DENIED, "").verdict(true));
  }

  @Test
  void readsReasonDetailsAndDelay() {
    var error =
        of(Statuses.relay(
            Code.OUT_OF_RANGE,
            "CURSOR_EXPIRED",
            Map.of("earliest_cursor", "E", "latest_cursor", ""),
            Duration.ofMillis(1500)));
    assertEquals("CURSOR_EXPIRED", error.reason());
    assertEquals(Duration.ofMillis(1500), error.retryAfter());
    assertEquals(
        new Gap("CURSOR_EXPIRED", Optional.of("A"), Optional.of("E"), Optional.empty()),
        error.gap(Optional.of("A")));
  }

  @Test
  void takesNoReasonFromAnyoneElse() {
    var error =
        of(Statuses.withDomain(
            "proxy.example", Code.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", Map.of(), Duration.ZERO));
    assertEquals("", error.reason());
    assertEquals(Verdict.FINAL, error.verdict(false));
  }

  @Test
  void damagedDetailsLeaveTheCode() {
    var trailers = new Metadata();
    trailers.put(
        Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER), new byte[] {-1, -1});
    var error = RelayError.of(Status.UNAVAILABLE.withDescription("away"), trailers);
    assertEquals("UNAVAILABLE: away", error.describe());
    assertEquals(Duration.ZERO, error.retryAfter());
  }

  @Test
  void aMessageTooLargeSaysWhatToRaise() {
    var status = Status.RESOURCE_EXHAUSTED.withDescription("gRPC message exceeds maximum size 4: 5");
    String message = RelayError.of(status, new Metadata()).exception().getMessage();
    assertTrue(message.contains("gRPC message exceeds maximum size 4: 5"), message);
    assertTrue(message.contains("maxEventBytes"), message);
    assertTrue(message.contains("maxInboundMessageSize"), message);
  }

  @Test
  void saysWhatHappenedToTheConnectionInALine() {
    var status =
        Status.UNAVAILABLE
            .withDescription("io exception\nChannel Pipeline: [a, b]")
            .withCause(new ConnectException("Connection refused"));
    assertEquals(
        "UNAVAILABLE: io exception: Connection refused",
        RelayError.of(status, new Metadata()).describe());
  }

  private static RelayError error(Code code, String reason) {
    return reason.isEmpty()
        ? RelayError.of(code.toStatus(), new Metadata())
        : of(Statuses.relay(code, reason));
  }

  private static RelayError of(StatusRuntimeException exception) {
    return RelayError.of(exception.getStatus(), exception.getTrailers());
  }
}
