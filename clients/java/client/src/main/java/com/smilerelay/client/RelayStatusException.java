package com.smilerelay.client;

import io.grpc.Status;

/** The relay refused, for a reason that trying again would not change. */
public class RelayStatusException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final Status.Code code;
  private final String reason;

  RelayStatusException(Status.Code code, String reason, String message, Throwable cause) {
    super(message, cause);
    this.code = code;
    this.reason = reason;
  }

  /** The gRPC status code. */
  public Status.Code code() {
    return code;
  }

  /** The relay's reason, such as {@code EVENT_NOT_FOUND}; empty if it gave none. */
  public String reason() {
    return reason;
  }
}
