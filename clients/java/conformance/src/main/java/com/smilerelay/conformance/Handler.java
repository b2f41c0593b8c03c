package com.smilerelay.conformance;

import com.google.gson.JsonObject;
import com.google.protobuf.Timestamp;
import com.smilerelay.client.EventHandler;
import com.smilerelay.client.RelaySubscriber;
import com.smilerelay.v1.Event;
import com.smilerelay.v1.OmittedReason;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.Locale;

/** Prints each event, after the time that handling it takes. */
final class Handler implements EventHandler<InterruptedException> {
  private final Options options;
  private final RelaySubscriber subscriber;
  private final Output output;
  private long handled;

  Handler(Options options, RelaySubscriber subscriber, Output output) {
    this.options = options;
    this.subscriber = subscriber;
    this.output = output;
  }

  long handled() {
    return handled;
  }

  @Override
  public void handle(Event event) throws InterruptedException {
    if (options.handleMillis() > 0) {
      Thread.sleep(options.handleMillis());
    }
    handled++;
    if (!options.countOnly()) {
      output.print("event", describe(event));
    }
    if (handled == options.stopAfter()) {
      subscriber.stop();
    }
  }

  private static JsonObject describe(Event event) {
    var content = new JsonObject();
    content.addProperty("sequence", event.getSequence());
    content.addProperty("id", event.getId());
    content.addProperty("type", event.getType().name());
    content.addProperty("type_name", event.getTypeName());
    content.addProperty("cursor", event.getCursor());
    content.addProperty("user_id", event.getUserId());
    if (event.hasCreatedAt()) {
      content.addProperty("created_at", rfc3339(event.getCreatedAt()));
    }
    content.addProperty("data", data(event));
    content.addProperty("omitted", omitted(event));
    content.addProperty("issues", event.getDecodeIssuesCount());
    content.addProperty("raw_bytes", event.getRawBody().size());
    String netAmount = netAmount(event);
    if (netAmount != null) {
      content.addProperty("net_amount", netAmount);
    }
    return content;
  }

  private static String rfc3339(Timestamp time) {
    return Instant.ofEpochSecond(time.getSeconds(), time.getNanos()).toString();
  }

  private static String data(Event event) {
    return event.getDataCase() == Event.DataCase.DATA_NOT_SET
        ? ""
        : event.getDataCase().name().toLowerCase(Locale.ROOT);
  }

  private static String omitted(Event event) {
    OmittedReason reason = event.getOmitted().getReason();
    return reason == OmittedReason.OMITTED_REASON_UNSPECIFIED
        ? ""
        : reason.name().substring("OMITTED_REASON_".length());
  }

  private static String netAmount(Event event) {
    var incomes = event.getTaskFinished().getPayload().getIncomes();
    return incomes.getItemsCount() > 0 && incomes.getItems(0).hasNetAmount()
        ? new BigDecimal(incomes.getItems(0).getNetAmount().getValue()).toPlainString()
        : null;
  }
}
