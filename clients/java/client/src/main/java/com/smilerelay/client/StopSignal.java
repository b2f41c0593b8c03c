package com.smilerelay.client;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Asks the thread that runs a subscription to end, wherever it waits. */
final class StopSignal {
  private final CountDownLatch requested = new CountDownLatch(1);

  /** The call that is being read, which may have to be woken. */
  private volatile RelayCall<?> reading;

  /** From any thread, any number of times. */
  void request() {
    requested.countDown();
    var call = reading;
    if (call != null) {
      call.wake();
    }
  }

  boolean requested() {
    return requested.getCount() == 0;
  }

  /** Sleeps, for less if the end is asked for. */
  void sleep(Duration delay) throws InterruptedException {
    requested.await(delay.toNanos(), TimeUnit.NANOSECONDS);
  }

  /** Waits for a call's next message; null if the end is asked for. */
  <T> T next(RelayCall<T> call, Duration silence) throws RelayFailure, InterruptedException {
    // First to be woken, then to look: a request in between is seen by one of the two.
    reading = call;
    T message = null;
    while (message == null && !requested()) {
      message = call.next(silence);
    }
    return message;
  }
}
