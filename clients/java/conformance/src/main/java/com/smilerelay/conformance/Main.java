package com.smilerelay.conformance;

import com.google.gson.JsonObject;
import com.smilerelay.client.Ended;
import com.smilerelay.client.RelaySubscriber;
import com.smilerelay.client.RelayStatusException;
import java.util.concurrent.CompletableFuture;

/**
 * Runs one subscription as a JSON object in the first argument describes it, and prints what happens, a JSON object a
 * line. Exit code: 0 stopped (also by a signal) or caught up, 1 failed, 2 bad argument.
 */
public final class Main {
  private static final int FAILED = 1;
  private static final int BAD_ARGUMENT = 2;

  public static void main(String[] args) {
    Options options;
    RelaySubscriber subscriber;
    var output = new Output();
    try {
      options = Options.parse(args);
      subscriber = options.subscriber(output);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(BAD_ARGUMENT);
      return;
    }

    var exitCode = new CompletableFuture<Integer>();
    // A signal's shutdown would exit with 143; halting in the hook makes it the code of the subscription.
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  subscriber.stop();
                  Runtime.getRuntime().halt(exitCode.join());
                }));
    exitCode.complete(run(options, subscriber, output));
    System.exit(exitCode.join());
  }

  private static int run(Options options, RelaySubscriber subscriber, Output output) {
    var handler = new Handler(options, subscriber, output);
    var usage = Usage.now();
    var end = new JsonObject();
    int exitCode = 0;
    try {
      Ended ended = subscriber.run(handler);
      describe(end, ended == Ended.CAUGHT_UP ? "caught_up" : "stopped", "", "", "");
    } catch (RelayStatusException e) {
      describe(end, "failed", e.code().name(), e.reason(), e.getMessage());
      exitCode = FAILED;
    } catch (Exception e) {
      describe(end, "failed", "", "", e.toString());
      exitCode = FAILED;
    }
    end.addProperty("events", handler.handled());
    usage.addTo(end);
    output.print("end", end);
    return exitCode;
  }

  private static void describe(JsonObject end, String how, String code, String reason, String message) {
    end.addProperty("how", how);
    end.addProperty("code", code);
    end.addProperty("reason", reason);
    end.addProperty("message", message);
  }
}
