package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RelaySubscriberBuilderTest {
  @TempDir Path directory;

  @Test
  void aTokenNeverTravelsInPlaintext() {
    var wide = RelaySubscriber.builder("relay.example.com:50051").tokenFile(directory.resolve("token"));
    assertThrows(IllegalArgumentException.class, wide::build);
    wide.tls().build();
    RelaySubscriber.builder("127.0.0.1:50051").tokenFile(directory.resolve("token")).build();
    RelaySubscriber.builder("unix:/run/relay.sock").tokenFile(directory.resolve("token")).build();
  }

  @Test
  void filesOfTlsAreReadAtOnce() throws IOException {
    var missing = RelaySubscriber.builder("localhost:1").caFile(directory.resolve("ca.pem"));
    var e = assertThrows(IllegalArgumentException.class, missing::build);
    assertTrue(e.getMessage().contains("ca.pem"), e.getMessage());

    Files.writeString(directory.resolve("ca.pem"), "no certificate");
    assertThrows(IllegalArgumentException.class, missing::build);
  }

  @Test
  void refusesWhatMakesNoSense() {
    var builder = RelaySubscriber.builder("localhost:1");
    assertThrows(IllegalArgumentException.class, () -> builder.maxEventBytes(0));
    assertThrows(IllegalArgumentException.class, () -> builder.maxEventBytes(Integer.MAX_VALUE));
    assertThrows(IllegalArgumentException.class, () -> builder.heartbeatInterval(Duration.ZERO));
    assertThrows(
        IllegalArgumentException.class,
        () -> builder.backoff(Duration.ofMillis(-1), Duration.ofSeconds(1)));
  }
}
