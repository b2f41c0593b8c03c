package com.smilerelay.client;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;

/** The place up to which everything has been handled, in memory and in the store. */
final class Progress {
  /** A checkpoint's cursor is stored when nothing was for this long, so that checkpoints don't wear the disk. */
  private static final long CHECKPOINT_NANOS = Duration.ofSeconds(1).toNanos();

  private final CursorStore store;
  private final LongSupplier nanoTime;
  private String place;
  private String stored;
  private long storedAt;

  Progress(CursorStore store, LongSupplier nanoTime) throws IOException {
    this.store = store;
    this.nanoTime = nanoTime;
    this.place = store.load().filter(cursor -> !cursor.isBlank()).orElse(null);
    this.stored = place;
    this.storedAt = nanoTime.getAsLong() - CHECKPOINT_NANOS;
  }

  /** The cursor to resume after; empty if nothing was read yet. */
  Optional<String> place() {
    return Optional.ofNullable(place);
  }

  /** An event has been handled. */
  void handled(String cursor) throws IOException {
    place = cursor;
    store();
  }

  /** A checkpoint came, and every event before it has been handled. */
  void reached(String cursor) throws IOException {
    place = cursor;
    if (nanoTime.getAsLong() - storedAt >= CHECKPOINT_NANOS) {
      flush();
    }
  }

  /** After a gap: forgets the place, or takes another. The store follows with the next event or checkpoint. */
  void restart(Optional<String> cursor) {
    place = cursor.orElse(null);
    stored = null;
  }

  /** Stores what is not stored yet. */
  void flush() throws IOException {
    if (place != null && !place.equals(stored)) {
      store();
    }
  }

  private void store() throws IOException {
    // Set before the attempt: what could not be stored once is not tried again on the way out.
    stored = place;
    store.save(place);
    storedAt = nanoTime.getAsLong();
  }
}
