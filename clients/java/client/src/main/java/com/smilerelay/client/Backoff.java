package com.smilerelay.client;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * How long to wait after failures in a row: at random between half and the whole of an initial delay that doubles with
 * each failure, up to a maximum.
 */
final class Backoff {
  private final Duration initial;
  private final Duration max;
  private final RandomGenerator random;
  private int failures;

  Backoff(Duration initial, Duration max, RandomGenerator random) {
    this.initial = initial;
    this.max = max;
    this.random = random;
  }

  /** Counts a failure, and returns the delay after it: never below {@code atLeast}, whatever the maximum. */
  Duration next(Duration atLeast) {
    // 2^30 times any useful initial delay is far above any maximum; a double does not overflow.
    double whole =
        Math.min(max.toNanos(), initial.toNanos() * Math.pow(2, Math.min(failures, 30)));
    failures++;
    var delay = Duration.ofNanos((long) (whole / 2 + random.nextDouble() * whole / 2));
    return delay.compareTo(atLeast) < 0 ? atLeast : delay;
  }

  /** Whether nothing failed since the last success. */
  boolean fresh() {
    return failures == 0;
  }

  /** Counts a success: the next failure is the first again. */
  void reset() {
    failures = 0;
  }
}
