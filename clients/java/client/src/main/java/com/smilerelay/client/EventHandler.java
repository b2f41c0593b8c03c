package com.smilerelay.client;

import com.smilerelay.v1.Event;

/**
 * Does what the application wants done with an event.
 *
 * @param <X> what it may throw; {@link RelaySubscriber#run} throws it on
 */
@FunctionalInterface
public interface EventHandler<X extends Exception> {
  /**
   * Handles one event. Called by the thread that is in {@link RelaySubscriber#run}, one event at a time, in the order of
   * the log. When it returns, the event's cursor is kept. When it throws, the subscription ends with that exception, and
   * the event comes again the next time.
   *
   * <p>An event may come again after a crash as well: handle it by its {@code id}.
   *
   * @param event the event; see its {@code omitted} for one that comes without its content
   * @throws X to end the subscription
   */
  void handle(Event event) throws X;
}
