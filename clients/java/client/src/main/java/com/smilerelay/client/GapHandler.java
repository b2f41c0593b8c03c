package com.smilerelay.client;

/** Decides what to do about a gap: nothing is skipped without being asked. */
@FunctionalInterface
public interface GapHandler {
  /**
   * Decides. Called by the thread that is in {@link RelaySubscriber#run}. An exception ends the subscription.
   *
   * @param gap what is missing
   */
  GapDecision decide(Gap gap);
}
