package com.smilerelay.client;

import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;

/**
 * Keeps the cursor in a file, as text and a newline. A new cursor is written to a temporary file beside it, brought to
 * the disk (fsync), and renamed over, so that after a crash the file holds the new cursor or the one before, never half
 * of one. One subscription uses a file at a time.
 */
public final class FileCursorStore implements CursorStore {
  private final Path file;
  private final Path temporary;

  /**
   * A store in this file, which need not exist yet.
   *
   * @param file its directory has to exist, and to be writable
   */
  public FileCursorStore(Path file) {
    this.file = file.toAbsolutePath();
    this.temporary = this.file.resolveSibling(this.file.getFileName() + ".tmp");
  }

  @Override
  public Optional<String> load() throws IOException {
    String cursor;
    try {
      cursor = Files.readString(file).strip();
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
    return cursor.isEmpty() ? Optional.empty() : Optional.of(cursor);
  }

  @Override
  public void save(String cursor) throws IOException {
    // Not by a FileChannel: that one fails when its thread is interrupted, and an interrupt is how subscriptions stop.
    try (var out = new FileOutputStream(temporary.toFile())) {
      out.write((cursor + "\n").getBytes(StandardCharsets.UTF_8));
      out.getFD().sync();
    }
    // The rename itself may be undone by a power cut. The file then holds an older cursor, and events come again.
    Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }
}
