package com.smilerelay.client;

import java.io.IOException;
import java.util.Optional;

/**
 * Keeps the place up to which events have been handled. Used by one subscription at a time, from the thread that is in
 * {@link RelaySubscriber#run}.
 *
 * <p>To commit the cursor together with what an event does, let the handler write {@code event.getCursor()} in its own
 * transaction, and give a store whose {@code load} reads it there and whose {@code save} does nothing.
 */
public interface CursorStore {
  /**
   * Returns the cursor to resume after; empty if there is none yet. Called once, when the subscription begins.
   *
   * @throws IOException if it can't be read; ends the subscription
   */
  Optional<String> load() throws IOException;

  /**
   * Keeps a cursor in place of the one before. Called after each event, and for checkpoints at most once a second.
   *
   * @param cursor opaque text of at most 64 characters
   * @throws IOException if it can't be kept; ends the subscription
   */
  void save(String cursor) throws IOException;

  /** A store that forgets when the process ends: each run begins at the {@link Start}. */
  static CursorStore inMemory() {
    return new CursorStore() {
      private String cursor;

      @Override
      public Optional<String> load() {
        return Optional.ofNullable(cursor);
      }

      @Override
      public void save(String cursor) {
        this.cursor = cursor;
      }
    };
  }
}
