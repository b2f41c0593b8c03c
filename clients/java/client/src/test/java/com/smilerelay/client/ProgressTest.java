package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private final List<String> saved = new ArrayList<>();
  private long now = Long.MAX_VALUE - 5;
  private Optional<String> held = Optional.empty();
  private boolean failing;

  private final CursorStore store =
      new CursorStore() {
        @Override
        public Optional<String> load() {
          return held;
        }

        @Override
        public void save(String cursor) throws IOException {
          saved.add(cursor);
          if (failing) {
            throw new IOException("full");
          }
        }
      };

  @Test
  void beginsWhereTheStoreSays() throws IOException {
    assertEquals(Optional.empty(), progress().place());
    held = Optional.of("a");
    assertEquals(Optional.of("a"), progress().place());
    held = Optional.of(" ");
    assertEquals(Optional.empty(), progress().place());
  }

  @Test
  void storesEveryEvent() throws IOException {
    var progress = progress();
    progress.handled("a");
    progress.handled("b");
    assertEquals(List.of("a", "b"), saved);
    assertEquals(Optional.of("b"), progress.place());
  }

  @Test
  void storesACheckpointOnceASecond() throws IOException {
    var progress = progress();
    progress.reached("a");
    progress.reached("b");
    pass(Duration.ofMillis(999));
    progress.reached("c");
    assertEquals(List.of("a"), saved);
    assertEquals(Optional.of("c"), progress.place());
    pass(Duration.ofMillis(1));
    progress.reached("d");
    progress.handled("e");
    pass(Duration.ofMillis(999));
    progress.reached("f");
    assertEquals(List.of("a", "d", "e"), saved);
  }

  @Test
  void doesNotStoreTheSamePlaceTwice() throws IOException {
    held = Optional.of("a");
    var progress = progress();
    progress.reached("a");
    progress.flush();
    assertEquals(List.of(), saved);
  }

  @Test
  void storesTheLastCheckpointOnTheWayOut() throws IOException {
    var progress = progress();
    progress.reached("a");
    progress.reached("b");
    progress.flush();
    progress.flush();
    assertEquals(List.of("a", "b"), saved);
  }

  @Test
  void whatCouldNotBeStoredIsNotTriedOnTheWayOut() throws IOException {
    var progress = progress();
    failing = true;
    assertThrows(IOException.class, () -> progress.handled("a"));
    progress.flush();
    assertEquals(List.of("a"), saved);
  }

  @Test
  void afterAGapTheNextPlaceIsStoredEvenIfItIsTheChosenOne() throws IOException {
    held = Optional.of("a");
    var progress = progress();
    progress.restart(Optional.of("z"));
    assertEquals(Optional.of("z"), progress.place());
    progress.reached("z");
    assertEquals(List.of("z"), saved);
    progress.restart(Optional.empty());
    progress.flush();
    assertEquals(Optional.empty(), progress.place());
    assertEquals(List.of("z"), saved);
  }

  private Progress progress() throws IOException {
    return new Progress(store, () -> now);
  }

  /** The clock may overflow, as System.nanoTime() may. */
  private void pass(Duration duration) {
    now += duration.toNanos();
  }
}
