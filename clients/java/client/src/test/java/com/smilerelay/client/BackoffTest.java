package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

class BackoffTest {
  private static final Duration INITIAL = Duration.ofMillis(100);
  private static final Duration MAX = Duration.ofSeconds(10);

  @Test
  void doublesUpToTheMaximum() {
    var shortest = new Backoff(INITIAL, MAX, always(0));
    for (long millis : new long[] {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000}) {
      assertEquals(Duration.ofMillis(millis), shortest.next(Duration.ZERO));
    }
  }

  @Test
  void isBetweenHalfAndTheWhole() {
    assertEquals(Duration.ofMillis(50), new Backoff(INITIAL, MAX, always(0)).next(Duration.ZERO));
    assertEquals(Duration.ofMillis(75), new Backoff(INITIAL, MAX, always(0.5)).next(Duration.ZERO));
    assertEquals(Duration.ofMillis(100), new Backoff(INITIAL, MAX, always(1)).next(Duration.ZERO));
  }

  @Test
  void staysAtTheMaximumAfterVeryManyFailures() {
    var backoff = new Backoff(INITIAL, MAX, always(1));
    for (int i = 0; i < 10_000; i++) {
      backoff.next(Duration.ZERO);
    }
    assertEquals(MAX, backoff.next(Duration.ZERO));
  }

  @Test
  void isNeverBelowWhatTheRelayAsksFor() {
    var backoff = new Backoff(INITIAL, MAX, always(1));
    assertEquals(Duration.ofMinutes(1), backoff.next(Duration.ofMinutes(1)));
    assertEquals(Duration.ofMillis(200), backoff.next(Duration.ofMillis(1)));
  }

  @Test
  void startsAfreshAfterASuccess() {
    var backoff = new Backoff(INITIAL, MAX, always(1));
    assertTrue(backoff.fresh());
    backoff.next(Duration.ZERO);
    backoff.next(Duration.ZERO);
    assertFalse(backoff.fresh());
    backoff.reset();
    assertTrue(backoff.fresh());
    assertEquals(INITIAL, backoff.next(Duration.ZERO));
  }

  private static RandomGenerator always(double value) {
    return new RandomGenerator() {
      @Override
      public long nextLong() {
        throw new UnsupportedOperationException();
      }

      @Override
      public double nextDouble() {
        return value;
      }
    };
  }
}
