package com.smilerelay.conformance;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonParseException;
import com.smilerelay.client.FileCursorStore;
import com.smilerelay.client.GapDecision;
import com.smilerelay.client.RelaySubscriber;
import com.smilerelay.client.Start;
import com.smilerelay.v1.EventFilter;
import com.smilerelay.v1.EventType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** The program's argument. The fields bear the argument's names; what it leaves out keeps the value here. */
final class Options {
  private static final Gson GSON =
      new GsonBuilder().setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES).create();

  private String target;
  private String caFile;
  private String serverName;
  private String tokenFile;
  private String start = "latest";
  private String cursorFile;
  private Filter filter = new Filter();
  private boolean includeRawBody;
  private long heartbeatIntervalMs = 15_000;
  private int maxEventBytes = 3 << 20;
  private boolean fetchOmitted;
  private boolean stopWhenCaughtUp;
  private String consumer = "";
  private String onGap = "fail";
  private long handleMs;
  private long stopAfter;
  private long backoffMaxMs = 10_000;
  private boolean countOnly;

  private static final class Filter {
    private List<String> types = List.of();
    private List<String> typeNames = List.of();
    private List<String> userIds = List.of();
    private List<String> endpoints = List.of();
  }

  static Options parse(String[] args) {
    if (args.length != 1) {
      throw new IllegalArgumentException("usage: conformance JSON");
    }
    Options options;
    try {
      options = GSON.fromJson(args[0], Options.class);
    } catch (JsonParseException e) {
      throw new IllegalArgumentException("the argument is no such JSON object: " + e.getMessage(), e);
    }
    if (options == null || options.target == null) {
      throw new IllegalArgumentException("\"target\" is missing");
    }
    return options;
  }

  long handleMillis() {
    return handleMs;
  }

  long stopAfter() {
    return stopAfter;
  }

  boolean countOnly() {
    return countOnly;
  }

  RelaySubscriber subscriber(Output output) {
    var decision = decision();
    var builder =
        RelaySubscriber.builder(target)
            .start(start())
            .filter(filter())
            .includeRawBody(includeRawBody)
            .heartbeatInterval(Duration.ofMillis(heartbeatIntervalMs))
            .maxEventBytes(maxEventBytes)
            .fetchOmitted(fetchOmitted)
            .stopWhenCaughtUp(stopWhenCaughtUp)
            .consumer(consumer)
            .backoff(Duration.ofMillis(100), Duration.ofMillis(backoffMaxMs))
            .observer(output)
            .gapHandler(
                gap -> {
                  output.gap(gap);
                  return decision;
                });
    if (cursorFile != null) {
      builder.cursorStore(new FileCursorStore(Path.of(cursorFile)));
    }
    if (caFile != null) {
      builder.caFile(Path.of(caFile));
    }
    if (serverName != null) {
      builder.serverName(serverName);
    }
    if (tokenFile != null) {
      builder.tokenFile(Path.of(tokenFile));
    }
    return builder.build();
  }

  private Start start() {
    return switch (start) {
      case "latest" -> Start.latest();
      case "earliest" -> Start.earliest();
      default -> throw new IllegalArgumentException("\"start\" is neither latest nor earliest");
    };
  }

  private GapDecision decision() {
    return switch (onGap) {
      case "fail" -> GapDecision.fail();
      case "earliest" -> GapDecision.earliest();
      case "latest" -> GapDecision.latest();
      default -> throw new IllegalArgumentException("\"on_gap\" is neither fail, earliest nor latest");
    };
  }

  private EventFilter filter() {
    var built = EventFilter.newBuilder();
    // An unknown name is an IllegalArgumentException.
    filter.types.forEach(type -> built.addTypes(EventType.valueOf(type)));
    return built
        .addAllTypeNames(filter.typeNames)
        .addAllUserIds(filter.userIds)
        .addAllEndpoints(filter.endpoints)
        .build();
  }
}
