package com.smilerelay.client;

import com.smilerelay.client.ConnectionObserver.Lost;
import com.smilerelay.v1.Checkpoint;
import com.smilerelay.v1.Event;
import com.smilerelay.v1.GetEventRequest;
import com.smilerelay.v1.OmittedReason;
import com.smilerelay.v1.RelayServiceGrpc;
import com.smilerelay.v1.SubscribeRequest;
import com.smilerelay.v1.SubscribeResponse;
import io.grpc.CallOptions;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** The loop that keeps a stream of events alive. All of it runs in the application's thread. */
final class Subscription<X extends Exception> {
  /** A whole event may be large and the line slow; keepalive finds a dead line sooner. */
  private static final Duration FETCH_SILENCE = Duration.ofSeconds(60);

  /** An event's size does not count the message around it. */
  static final int MESSAGE_ROOM = 1 << 20;

  /** A fetch of a whole event failed, not the stream. */
  private static final class FetchFailure extends RelayFailure {
    private static final long serialVersionUID = 1;

    FetchFailure(RelayFailure failure) {
      super(failure.error());
    }
  }

  private final Settings settings;
  private final Connection connection;
  private final StopSignal stop;
  private final EventHandler<X> handler;
  private final Progress progress;
  private final Backoff streamBackoff;

  /** Of its own: each stream that is opened to try a fetch again has a first message, which is no success of the fetch. */
  private final Backoff fetchBackoff;

  private Start start;

  Subscription(Settings settings, Connection connection, StopSignal stop, EventHandler<X> handler)
      throws IOException {
    this.settings = settings;
    this.connection = connection;
    this.stop = stop;
    this.handler = handler;
    this.progress = new Progress(settings.store(), System::nanoTime);
    this.streamBackoff = backoff();
    this.fetchBackoff = backoff();
    this.start = settings.start();
  }

  /** Runs until the end. However it ends, what was handled is stored. */
  Ended run() throws X, IOException, InterruptedException {
    Ended ended;
    try {
      ended = keepAlive();
    } catch (Throwable t) {
      try {
        progress.flush();
      } catch (IOException | RuntimeException e) {
        t.addSuppressed(e);
      }
      throw t;
    }
    progress.flush();
    return ended;
  }

  private Ended keepAlive() throws X, IOException, InterruptedException {
    while (!stop.requested()) {
      try {
        readStream();
      } catch (FetchFailure failure) {
        recover(failure.error(), fetchBackoff);
      } catch (RelayFailure failure) {
        if (failure.error().code() == Status.Code.OK && settings.request().getStopWhenCaughtUp()) {
          return Ended.CAUGHT_UP;
        }
        recover(failure.error(), streamBackoff);
      }
    }
    return Ended.STOPPED;
  }

  /** Opens a stream and hands on its events, until it fails or the subscription is to stop. */
  private void readStream() throws X, RelayFailure, IOException, InterruptedException {
    var after = progress.place();
    var request = settings.request().toBuilder();
    after.ifPresentOrElse(request::setAfterCursor, () -> start.applyTo(request));

    try (var stream = call(request.build())) {
      var silence = settings.firstSilence();
      boolean first = true;
      SubscribeResponse message;
      while ((message = stop.next(stream, silence)) != null) {
        streamBackoff.reset();
        if (first) {
          first = false;
          settings.observer().connected(after);
        }
        for (Event event : message.getEventsList()) {
          handle(event);
          if (stop.requested()) {
            return;
          }
        }
        if (message.hasCheckpoint()) {
          Checkpoint checkpoint = message.getCheckpoint();
          progress.reached(checkpoint.getCursor());
          silence = Settings.twice(checkpoint.getHeartbeatInterval());
        }
      }
    }
  }

  private RelayCall<SubscribeResponse> call(SubscribeRequest request) throws RelayFailure {
    return connection.call(RelayServiceGrpc.getSubscribeMethod(), CallOptions.DEFAULT, request);
  }

  private void handle(Event event) throws X, RelayFailure, IOException, InterruptedException {
    if (Thread.interrupted()) {
      throw new InterruptedException();
    }
    boolean tooLarge = event.getOmitted().getReason() == OmittedReason.OMITTED_REASON_TOO_LARGE;
    Event whole = tooLarge && settings.fetchOmitted() ? fetch(event) : event;
    if (whole != null) {
      handler.handle(whole);
      progress.handled(whole.getCursor());
    }
  }

  /** Gets the event that this is the stub of; null if the subscription is to stop. */
  private Event fetch(Event stub) throws FetchFailure, InterruptedException {
    long limit = Math.min(stub.getOmitted().getSizeBytes() + MESSAGE_ROOM, Integer.MAX_VALUE);
    var request =
        GetEventRequest.newBuilder()
            .setCursor(stub.getCursor())
            .setIncludeRawBody(settings.request().getIncludeRawBody())
            .build();
    var options = CallOptions.DEFAULT.withMaxInboundMessageSize((int) limit);
    try (var call = connection.call(RelayServiceGrpc.getGetEventMethod(), options, request)) {
      var response = stop.next(call, FETCH_SILENCE);
      fetchBackoff.reset();
      return response == null ? null : response.getEvent();
    } catch (RelayFailure failure) {
      throw new FetchFailure(failure);
    }
  }

  /** Gets over a failure: returns when it is time for the next attempt, or throws if there shall be none. */
  private void recover(RelayError error, Backoff backoff) throws InterruptedException {
    switch (error.verdict(connection.hasToken())) {
      case RETRY -> {
        if (error.isDead()) {
          connection.drop();
        }
        Duration delay = backoff.next(error.retryAfter());
        settings.observer().lost(new Lost(error.code(), error.reason(), error.message(), delay));
        stop.sleep(delay);
      }
      case GAP -> {
        // At once, unless one gap follows another: a handler that answers each with a bad cursor must not spin.
        boolean again = !backoff.fresh();
        decide(error);
        Duration delay = backoff.next(Duration.ZERO);
        stop.sleep(again ? delay : Duration.ZERO);
      }
      case FINAL -> throw error.exception();
    }
  }

  private void decide(RelayError error) {
    Gap gap = error.gap(progress.place());
    GapDecision decision = settings.gapHandler().decide(gap);
    if (decision.fails()) {
      throw new GapException(gap, error);
    }
    start = decision.start().orElse(start);
    progress.restart(decision.cursor());
  }

  private Backoff backoff() {
    return new Backoff(
        settings.backoffInitial(), settings.backoffMax(), ThreadLocalRandom.current());
  }
}
