package com.smilerelay.example;

import com.smilerelay.client.ConnectionObserver;
import com.smilerelay.client.FileCursorStore;
import com.smilerelay.client.RelaySubscriber;
import com.smilerelay.client.Start;
import com.smilerelay.v1.Event;
import com.smilerelay.v1.TaskFinished;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Prints a relay's events. Arguments: the relay's address (host:port, https://host:port or unix:/path), and the file that
 * keeps the place. Or by the environment: SMILE_RELAY_ADDRESS, SMILE_RELAY_CURSOR_FILE, and for a relay beyond this
 * machine SMILE_RELAY_CA_FILE and SMILE_RELAY_TOKEN_FILE.
 */
public final class Example {
  public static void main(String[] args) throws Exception {
    var env = System.getenv();
    String address =
        args.length > 0 ? args[0] : env.getOrDefault("SMILE_RELAY_ADDRESS", "127.0.0.1:50051");
    String cursor =
        args.length > 1 ? args[1] : env.getOrDefault("SMILE_RELAY_CURSOR_FILE", "smile-relay.cursor");

    var builder =
        RelaySubscriber.builder(address.replaceFirst("^https?://", ""))
            .start(Start.earliest())
            .cursorStore(new FileCursorStore(Path.of(cursor)))
            .observer(new Log());
    if (address.startsWith("https://")) {
      builder.tls();
      if (env.containsKey("SMILE_RELAY_CA_FILE")) {
        builder.caFile(Path.of(env.get("SMILE_RELAY_CA_FILE")));
      }
    }
    if (env.containsKey("SMILE_RELAY_TOKEN_FILE")) {
      builder.tokenFile(Path.of(env.get("SMILE_RELAY_TOKEN_FILE")));
    }
    var subscriber = builder.build();
    // SIGTERM and Ctrl-C: the event in hand is finished and its cursor kept before the process ends.
    Runtime.getRuntime().addShutdownHook(new Thread(subscriber::close));
    subscriber.run(Example::print);
  }

  private static void print(Event event) {
    System.out.println(
        event.getSequence() + " " + event.getId() + " " + event.getTypeName() + " " + event.getUserId());
    if (event.hasTaskFinished()) {
      TaskFinished task = event.getTaskFinished();
      for (var income : task.getPayload().getIncomes().getItemsList()) {
        // An amount is exact text, and any field may be unset.
        BigDecimal net = income.hasNetAmount() ? new BigDecimal(income.getNetAmount().getValue()) : null;
        System.out.printf("  %s from %s: %s %s%n", task.getStatus(), income.getEmployer(), net, income.getCurrency());
      }
    }
  }

  private static final class Log implements ConnectionObserver {
    @Override
    public void connected(Optional<String> after) {
      System.err.println("connected, after " + after.orElse("nothing"));
    }

    @Override
    public void lost(Lost lost) {
      System.err.printf("%s %s, again in %d ms%n", lost.code(), lost.message(), lost.delay().toMillis());
    }
  }
}
