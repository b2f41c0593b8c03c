package com.smilerelay.conformance;

import com.google.gson.JsonObject;
import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** What the subscription has taken since it began: time, and the process's CPU time. */
record Usage(long startNanos, long startCpuNanos) {
  private static final OperatingSystemMXBean SYSTEM =
      ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);

  static Usage now() {
    return new Usage(System.nanoTime(), SYSTEM.getProcessCpuTime());
  }

  void addTo(JsonObject end) {
    end.addProperty("seconds", (System.nanoTime() - startNanos) / 1e9);
    end.addProperty("cpu_seconds", (SYSTEM.getProcessCpuTime() - startCpuNanos) / 1e9);
  }
}
