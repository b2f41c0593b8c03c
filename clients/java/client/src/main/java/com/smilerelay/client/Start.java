package com.smilerelay.client;

import com.google.protobuf.Timestamp;
import com.smilerelay.v1.StartPosition;
import com.smilerelay.v1.SubscribeRequest;
import java.time.Instant;
import java.util.function.Consumer;

/** Where to start when the cursor store is empty. */
public final class Start {
  private final Consumer<SubscribeRequest.Builder> setter;

  private Start(Consumer<SubscribeRequest.Builder> setter) {
    this.setter = setter;
  }

  /** After the newest event: only what comes from now on. */
  public static Start latest() {
    return new Start(request -> request.setPosition(StartPosition.START_POSITION_LATEST));
  }

  /** Before the oldest event that the log still holds. */
  public static Start earliest() {
    return new Start(request -> request.setPosition(StartPosition.START_POSITION_EARLIEST));
  }

  /**
   * With the first event that the relay received at or after this time, by the relay's clock.
   *
   * @param receivedSince the time; one in the future means {@link #latest()}
   */
  public static Start at(Instant receivedSince) {
    var timestamp =
        Timestamp.newBuilder()
            .setSeconds(receivedSince.getEpochSecond())
            .setNanos(receivedSince.getNano())
            .build();
    return new Start(request -> request.setReceivedSince(timestamp));
  }

  void applyTo(SubscribeRequest.Builder request) {
    setter.accept(request);
  }
}
