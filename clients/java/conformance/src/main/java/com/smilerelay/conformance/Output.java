package com.smilerelay.conformance;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.smilerelay.client.ConnectionObserver;
import com.smilerelay.client.Gap;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Prints lines of JSON, each at once. */
final class Output implements ConnectionObserver {
  private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
  // Every println is one write; System.out would use the platform's encoding.
  private final PrintStream out =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

  void print(String name, JsonObject content) {
    var line = new JsonObject();
    line.add(name, content);
    out.println(gson.toJson(line));
  }

  @Override
  public void connected(Optional<String> after) {
    var content = new JsonObject();
    content.addProperty("after", after.orElse(""));
    print("connected", content);
  }

  @Override
  public void lost(Lost lost) {
    var content = new JsonObject();
    content.addProperty("code", lost.dead() ? Lost.DEAD : lost.code().name());
    content.addProperty("reason", lost.dead() ? "" : lost.reason());
    content.addProperty("delay_ms", lost.delay().toMillis());
    print("lost", content);
  }

  void gap(Gap gap) {
    var content = new JsonObject();
    content.addProperty("reason", gap.reason());
    content.addProperty("asked", gap.asked().orElse(""));
    content.addProperty("earliest", gap.earliest().orElse(""));
    content.addProperty("latest", gap.latest().orElse(""));
    print("gap", content);
  }
}
