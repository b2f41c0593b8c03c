package com.smilerelay.client;

import java.util.Objects;
import java.util.Optional;

/**
 * The relay can't go on after the cursor that was read last: events are missing in between, or the log is another one.
 *
 * @param reason {@code CURSOR_EXPIRED}: retention removed events that were not read. {@code CURSOR_FOREIGN_LOG},
 *     {@code CURSOR_DIVERGED}, {@code CURSOR_AHEAD}: this is not the log that was read (another one, or one restored
 *     from a copy)
 * @param asked the cursor that was asked for; empty if the stream had a start and no cursor yet
 * @param earliest the place before the oldest event that the log holds, if the relay said so
 * @param latest the place after its newest event, if the relay said so
 */
public record Gap(
    String reason, Optional<String> asked, Optional<String> earliest, Optional<String> latest) {
  /** Checks that nothing is null. */
  public Gap {
    Objects.requireNonNull(reason);
    Objects.requireNonNull(asked);
    Objects.requireNonNull(earliest);
    Objects.requireNonNull(latest);
  }

  static final String EXPIRED = "CURSOR_EXPIRED";
}
