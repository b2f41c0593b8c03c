package com.smilerelay.client;

import io.grpc.ManagedChannel;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/**
 * Reads a relay's events and keeps at it: reconnects, resumes where the application left off, notices dead connections,
 * and says when events are missing.
 *
 * <pre>{@code
 * try (var subscriber = RelaySubscriber.builder("127.0.0.1:50051")
 *     .cursorStore(new FileCursorStore(Path.of("cursor")))
 *     .build()) {
 *   subscriber.run(event -> System.out.println(event.getTypeName()));
 * }
 * }</pre>
 *
 * <p>{@link #run} does all its work in the thread that calls it; the other methods may be called from any thread.
 */
public final class RelaySubscriber implements AutoCloseable {
  private final Settings settings;
  private final Supplier<ManagedChannel> channels;
  private final TokenFile token;
  private final StopSignal stop = new StopSignal();
  private final AtomicReference<Thread> runner = new AtomicReference<>();
  private final CountDownLatch finished = new CountDownLatch(1);

  RelaySubscriber(Settings settings, Supplier<ManagedChannel> channels, TokenFile token) {
    this.settings = settings;
    this.channels = channels;
    this.token = token;
  }

  /**
   * Begins to describe a subscriber. Nothing is connected before {@link #run}.
   *
   * @param target {@code host:port}, or {@code unix:/path} for a Unix socket (on Linux)
   * @throws IllegalArgumentException if it is neither
   */
  public static RelaySubscriberBuilder builder(String target) {
    return new RelaySubscriberBuilder(Target.parse(target));
  }

  /**
   * Hands events to the handler until the subscription ends. May be called once. Connecting is part of it: a relay that
   * is not there yet is waited for.
   *
   * <p>To end it, interrupt the thread, or call {@link #stop} or {@link #close}. Each waits for the event that is in the
   * handler (which an interrupt may cut short), and leaves the cursor of the last handled event in the store.
   *
   * @param handler does what is to be done with each event
   * @param <X> what the handler may throw
   * @return why the subscription ended
   * @throws X when the handler throws it: the event is not kept, and comes again the next time
   * @throws GapException if events are missing and the gap handler decided to fail
   * @throws RelayStatusException if the relay refuses, and trying again would not help
   * @throws IOException if the cursor store fails
   * @throws InterruptedException if the thread is interrupted
   */
  public <X extends Exception> Ended run(EventHandler<X> handler)
      throws X, IOException, InterruptedException {
    if (!runner.compareAndSet(null, Thread.currentThread())) {
      throw new IllegalStateException("a subscriber runs once: build another");
    }
    try (var connection = new Connection(channels, token)) {
      return new Subscription<>(settings, connection, stop, handler).run();
    } finally {
      finished.countDown();
    }
  }

  /** Asks {@link #run} to return after the event that is in the handler, and does not wait for it. */
  public void stop() {
    stop.request();
  }

  /**
   * Asks {@link #run} to return, and waits until it has: after this, the last handled cursor is stored, and the
   * connection closed. Fit for a shutdown hook; but a handler that calls {@link System#exit} would then wait for itself,
   * and should call {@link #stop} instead. Called by the handler, it does not wait.
   */
  @Override
  public void close() {
    stop();
    Thread running = runner.get();
    if (running == null || running == Thread.currentThread()) {
      return;
    }
    try {
      finished.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
