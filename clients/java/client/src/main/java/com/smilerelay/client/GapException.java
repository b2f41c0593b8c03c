package com.smilerelay.client;

/**
 * Events are missing, and the {@link GapHandler} decided not to go on. To get over it, set a gap handler that says where
 * to go on, or remove the cursor that is stored.
 */
public final class GapException extends RelayStatusException {
  private static final long serialVersionUID = 1;

  private final transient Gap gap;

  GapException(Gap gap, RelayError error) {
    super(error.code(), error.reason(), message(gap, error), error.cause());
    this.gap = gap;
  }

  /** What is missing. */
  public Gap gap() {
    return gap;
  }

  private static String message(Gap gap, RelayError error) {
    String what =
        gap.reason().equals(Gap.EXPIRED)
            ? "retention removed events that were not read yet"
            : "this is not the log that the cursor is of";
    return what + ", and the gap handler decided to fail; set one that says where to go on ("
        + error.describe() + ")";
  }
}
