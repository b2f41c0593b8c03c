package com.smilerelay.example;

import com.smilerelay.client.ConnectionObserver;
import com.smilerelay.client.FileCursorStore;
import com.smilerelay.client.RelaySubscriber;
import com.smilerelay.client.Start;
import com.smilerelay.v1.Event;
import com.smilerelay.v1.TaskFinished;
import java.math.BigDecimal;
import java.nio.file.Path;

/** Prints a relay's events. Arguments: the target, and the file that keeps the place. */
public final class Example {
  public static void main(String[] args) throws Exception {
    String target = args.length > 0 ? args[0] : "127.0.0.1:50051";
    Path cursor = Path.of(args.length > 1 ? args[1] : "smile-relay.cursor");

    var subscriber =
        RelaySubscriber.builder(target)
            .start(Start.earliest())
            .cursorStore(new FileCursorStore(cursor))
            .observer(new Log())
            .build();
    // SIGTERM and Ctrl-C: the event in hand is finished and its cursor kept before the process ends.
    Runtime.getRuntime().addShutdownHook(new Thread(subscriber::close));
    subscriber.run(Example::print);
  }

  private static void print(Event event) {
    System.out.printf("%d %s user=%s%n", event.getSequence(), event.getTypeName(), event.getUserId());
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
    public void lost(Lost lost) {
      System.err.printf("%s %s, again in %d ms%n", lost.code(), lost.message(), lost.delay().toMillis());
    }
  }
}
