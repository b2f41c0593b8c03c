package com.smilerelay.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * How a call to the relay ended, and what is to be done about it.
 *
 * @param code the gRPC status code
 * @param reason the relay's reason; empty if the status has none, or is not the relay's
 * @param message for people
 * @param details what the relay says besides: earliest_cursor, latest_cursor
 * @param retryAfter the shortest delay before the next attempt
 * @param cause what gRPC says about the connection, or null
 */
record RelayError(
    Status.Code code,
    String reason,
    String message,
    Map<String, String> details,
    Duration retryAfter,
    Throwable cause) {

  /** What to do next. */
  enum Verdict {
    RETRY,
    GAP,
    FINAL
  }

  private static final String DOMAIN = "smile-relay";
  private static final Set<String> OTHER_LOG =
      Set.of("CURSOR_FOREIGN_LOG", "CURSOR_DIVERGED", "CURSOR_AHEAD");

  /** Reads the end of a call. */
  static RelayError of(Status status, Metadata trailers) {
    String reason = "";
    Map<String, String> details = Map.of();
    Duration retryAfter = Duration.ZERO;
    for (Any detail : details(status, trailers)) {
      try {
        if (detail.is(ErrorInfo.class)) {
          var info = detail.unpack(ErrorInfo.class);
          if (info.getDomain().equals(DOMAIN)) {
            reason = info.getReason();
            details = info.getMetadataMap();
          }
        } else if (detail.is(RetryInfo.class)) {
          retryAfter = ProtoDurations.toJava(detail.unpack(RetryInfo.class).getRetryDelay());
        }
      } catch (InvalidProtocolBufferException e) {
        // The code alone decides then.
        continue;
      }
    }
    return new RelayError(
        status.getCode(), reason, text(status), details, retryAfter, status.getCause());
  }

  /** A call that was given up because nothing came for so long. */
  static RelayError dead(Duration silence) {
    return new RelayError(
        Status.Code.DEADLINE_EXCEEDED,
        ConnectionObserver.Lost.DEAD,
        "nothing came for " + silence.toMillis() + " ms",
        Map.of(),
        Duration.ZERO,
        null);
  }

  /** The token file can't be used now. */
  static RelayError token(String message, Throwable cause) {
    return new RelayError(
        Status.Code.UNAUTHENTICATED, "", message, Map.of(), Duration.ZERO, cause);
  }

  /** Whether this is a call that was given up, and its connection with it. */
  boolean isDead() {
    return reason.equals(ConnectionObserver.Lost.DEAD);
  }

  /** Says what to do; a token may be replaced any time, so a refused one from a file is worth another try. */
  Verdict verdict(boolean hasTokenFile) {
    return switch (code) {
      case OK, UNAVAILABLE, UNKNOWN, INTERNAL, ABORTED, CANCELLED, DEADLINE_EXCEEDED -> Verdict.RETRY;
      case RESOURCE_EXHAUSTED -> reason.isEmpty() ? Verdict.FINAL : Verdict.RETRY;
      case UNAUTHENTICATED -> hasTokenFile ? Verdict.RETRY : Verdict.FINAL;
      case OUT_OF_RANGE -> reason.equals(Gap.EXPIRED) ? Verdict.GAP : Verdict.FINAL;
      case FAILED_PRECONDITION -> OTHER_LOG.contains(reason) ? Verdict.GAP : Verdict.FINAL;
      default -> Verdict.FINAL;
    };
  }

  /** This error as a gap, if its verdict is that. */
  Gap gap(Optional<String> asked) {
    return new Gap(reason, asked, cursor("earliest_cursor"), cursor("latest_cursor"));
  }

  /** This error as an exception, if its verdict is final. */
  RelayStatusException exception() {
    return new RelayStatusException(code, reason, describe() + advice(), cause);
  }

  /** Code, reason and message in a line. */
  String describe() {
    return code + (reason.isEmpty() ? "" : " " + reason) + (message.isEmpty() ? "" : ": " + message);
  }

  private String advice() {
    boolean fromLibrary = reason.isEmpty();
    return switch (code) {
      case RESOURCE_EXHAUSTED, OUT_OF_RANGE -> fromLibrary
          ? ". A message is larger than the receive limit: raise maxEventBytes, which raises this package's"
              + " maxInboundMessageSize as well (it is 1 MiB more), or the limit of the proxy in between"
          : "";
      case UNAUTHENTICATED -> ". Set tokenFile, or the client certificate that the relay knows";
      case UNIMPLEMENTED -> ". Is the target a smile-relay's gRPC listener?";
      default -> "";
    };
  }

  private Optional<String> cursor(String name) {
    return Optional.ofNullable(details.get(name)).filter(cursor -> !cursor.isEmpty());
  }

  private static Iterable<Any> details(Status status, Metadata trailers) {
    try {
      return StatusProto.fromStatusAndTrailers(status, trailers).getDetailsList();
    } catch (IllegalArgumentException e) {
      // A proxy's, or damaged: as if there were none.
      return Set.of();
    }
  }

  /** The status's own words. gRPC puts what happened to a connection into the cause, and a list of handlers below. */
  private static String text(Status status) {
    String description =
        status.getDescription() == null ? "" : status.getDescription().lines().findFirst().orElse("");
    Throwable cause = status.getCause();
    if (cause == null || cause.getMessage() == null) {
      return description;
    }
    return description.isEmpty() ? cause.getMessage() : description + ": " + cause.getMessage();
  }
}
