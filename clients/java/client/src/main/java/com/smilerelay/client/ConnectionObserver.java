package com.smilerelay.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/**
 * Is told what happens to the connection, for logs and metrics; never of contents. Called by the thread that is in
 * {@link RelaySubscriber#run}. An exception ends the subscription.
 */
public interface ConnectionObserver {
  /**
   * The first message of a stream came.
   *
   * @param after the cursor resumed from; empty if the stream began at a {@link Start}
   */
  default void connected(Optional<String> after) {}

  /**
   * A stream ended, or could not be opened. It is opened again.
   *
   * @param lost why, and when
   */
  default void lost(Lost lost) {}

  /**
   * Why a stream was lost.
   *
   * @param code the gRPC status code; {@code DEADLINE_EXCEEDED} if the stream was {@link #dead()}, {@code OK} if the
   *     relay ended it without being asked
   * @param reason the relay's reason, such as {@code DRAINING}, {@link #DEAD}, or empty
   * @param message for people
   * @param delay the time until the next attempt
   */
  record Lost(Status.Code code, String reason, String message, Duration delay) {
    /** The reason of a stream that went silent; this package's own, never sent by a relay. */
    public static final String DEAD = "DEAD";

    /** Whether this package gave the stream up, because nothing came for two heartbeat intervals. */
    public boolean dead() {
      return reason.equals(DEAD);
    }
  }
}
