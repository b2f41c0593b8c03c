package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileCursorStoreTest {
  @TempDir Path directory;

  @Test
  void isEmptyBeforeTheFirstSave() throws IOException {
    assertEquals(Optional.empty(), new FileCursorStore(directory.resolve("cursor")).load());
  }

  @Test
  void anEmptyFileHoldsNoCursor() throws IOException {
    Path file = Files.writeString(directory.resolve("cursor"), "\n");
    assertEquals(Optional.empty(), new FileCursorStore(file).load());
  }

  @Test
  void holdsTheCursorAsTextAndANewline() throws IOException {
    Path file = directory.resolve("cursor");
    var store = new FileCursorStore(file);
    store.save("first");
    store.save("second");
    assertEquals("second\n", Files.readString(file));
    assertEquals(Optional.of("second"), new FileCursorStore(file).load());
    try (var files = Files.list(directory)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void whatACrashLeftBesideItIsReplaced() throws IOException {
    Path file = directory.resolve("cursor");
    Files.writeString(directory.resolve("cursor.tmp"), "half of a much longer cur");
    var store = new FileCursorStore(file);
    assertEquals(Optional.empty(), store.load());
    store.save("c");
    assertEquals("c\n", Files.readString(file));
  }

  @Test
  void aSaveThatFailsLeavesTheCursorBefore() throws IOException {
    Path file = directory.resolve("cursor");
    var store = new FileCursorStore(file);
    store.save("before");
    Files.createDirectory(directory.resolve("cursor.tmp"));
    assertThrows(IOException.class, () -> store.save("after"));
    assertEquals(Optional.of("before"), store.load());
  }

  @Test
  void savesInAThreadThatIsInterrupted() throws IOException {
    var store = new FileCursorStore(directory.resolve("cursor"));
    Thread.currentThread().interrupt();
    try {
      store.save("c");
    } finally {
      assertTrue(Thread.interrupted(), "the interrupt is not swallowed");
    }
    assertEquals(Optional.of("c"), store.load());
  }
}
