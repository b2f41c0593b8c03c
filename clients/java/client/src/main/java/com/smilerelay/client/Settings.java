package com.smilerelay.client;

import com.smilerelay.v1.SubscribeRequest;
import java.time.Duration;

/**
 * What a subscription is made of, checked by the builder.
 *
 * @param request what to ask for, but for where to start
 * @param firstMessage the first message of a stream has to come within this time, or two heartbeat intervals if those are
 *     longer
 */
record Settings(
    SubscribeRequest request,
    Start start,
    CursorStore store,
    GapHandler gapHandler,
    ConnectionObserver observer,
    boolean fetchOmitted,
    Duration backoffInitial,
    Duration backoffMax,
    Duration firstMessage) {

  /** How long a stream may be silent before its first message. */
  Duration firstSilence() {
    var two = twice(request.getHeartbeatInterval());
    return two.compareTo(firstMessage) > 0 ? two : firstMessage;
  }

  /** How long a stream may be silent: two heartbeat intervals, as the relay's checkpoint states them. */
  static Duration twice(com.google.protobuf.Duration heartbeat) {
    return ProtoDurations.toJava(heartbeat).multipliedBy(2);
  }
}
