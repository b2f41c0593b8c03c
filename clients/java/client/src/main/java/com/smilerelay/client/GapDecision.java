package com.smilerelay.client;

import java.util.Optional;

/** What a {@link GapHandler} answers. */
public final class GapDecision {
  private static final GapDecision FAIL = new GapDecision(null, null);

  private final Start start;
  private final String cursor;

  private GapDecision(Start start, String cursor) {
    this.start = start;
    this.cursor = cursor;
  }

  /** The subscription ends with a {@link GapException}. The default. */
  public static GapDecision fail() {
    return FAIL;
  }

  /** Goes on with the oldest event that the log holds. */
  public static GapDecision earliest() {
    return new GapDecision(Start.earliest(), null);
  }

  /** Goes on with the next event that the relay receives, and gives up what the log holds already. */
  public static GapDecision latest() {
    return new GapDecision(Start.latest(), null);
  }

  /**
   * Goes on after a cursor of the log as it is now.
   *
   * @param cursor of any event or checkpoint of it
   */
  public static GapDecision after(String cursor) {
    if (cursor.isBlank()) {
      throw new IllegalArgumentException("the cursor to go on after is empty");
    }
    return new GapDecision(null, cursor);
  }

  boolean fails() {
    return start == null && cursor == null;
  }

  Optional<Start> start() {
    return Optional.ofNullable(start);
  }

  Optional<String> cursor() {
    return Optional.ofNullable(cursor);
  }
}
