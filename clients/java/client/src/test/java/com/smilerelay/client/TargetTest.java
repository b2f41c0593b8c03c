package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TargetTest {
  @ParameterizedTest
  @CsvSource({
    "127.0.0.1:50051, true",
    "127.1.2.3:1, true",
    "localhost:50051, true",
    "[::1]:50051, true",
    "relay.example.com:443, false",
    "10.0.0.1:50051, false",
    "[2001:db8::1]:50051, false",
    "localhost.example.com:1, false",
    "127.0.0.1.example.com:1, false",
  })
  void hostAndPort(String target, boolean local) {
    assertEquals(new Target("dns:///" + target, false, local), Target.parse(target));
  }

  @Test
  void socket() {
    assertEquals(new Target("unix:/run/relay.sock", true, true), Target.parse("unix:/run/relay.sock"));
    assertEquals(new Target("unix:/a%20b%25/s", true, true), Target.parse("unix:/a b%/s"));
    assertEquals(
        new Target(Path.of("s").toAbsolutePath().toUri().toString().replace("file://", "unix:"), true, true),
        Target.parse("unix:s"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "localhost", "localhost:", ":1", "h:65536", "h:1/x", "http://h:1", "::1:5", "a b:1", "unix:"})
  void refusesWhatIsNeither(String target) {
    assertThrows(IllegalArgumentException.class, () -> Target.parse(target));
  }
}
