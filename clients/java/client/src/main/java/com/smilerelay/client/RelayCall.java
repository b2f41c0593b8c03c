package com.smilerelay.client;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * One call to the relay, whose messages one thread takes at its own pace. Only a few are asked for ahead of it: what is
 * not asked for stays with the relay, held back by flow control.
 */
final class RelayCall<T> implements AutoCloseable {
  /** Enough to have the next message at hand while one is handled; each may be as large as maxEventBytes. */
  static final int READ_AHEAD = 4;

  /** A message; or the end of the call; or neither, to wake the reader. */
  private record Arrival<T>(T message, RelayError end) {}

  /** Holds no more than was asked for, the end, and a wake-up. */
  private final BlockingQueue<Arrival<T>> arrivals = new LinkedBlockingQueue<>();

  private final ClientCall<?, T> call;

  /** When a message came last, or, as none can come while none is asked for, when one was asked for last. */
  private volatile long heardAt = System.nanoTime();

  private RelayCall(ClientCall<?, T> call) {
    this.call = call;
  }

  /** Starts a call that sends this one request. */
  static <Q, T> RelayCall<T> start(ClientCall<Q, T> call, Metadata headers, Q request) {
    var started = new RelayCall<>(call);
    call.start(started.new Listener(), headers);
    call.request(READ_AHEAD);
    call.sendMessage(request);
    call.halfClose();
    return started;
  }

  /**
   * Waits for the next message, and asks for one more.
   *
   * @param silence the call is dead if nothing came for so long. What came and lies here unread is not silence
   * @return the message, or null if {@link #wake} was called
   * @throws RelayFailure if the call has ended or is dead
   */
  T next(Duration silence) throws RelayFailure, InterruptedException {
    Arrival<T> arrival;
    do {
      long left = heardAt + silence.toNanos() - System.nanoTime();
      arrival = arrivals.poll(left, TimeUnit.NANOSECONDS);
      if (arrival == null && System.nanoTime() - heardAt >= silence.toNanos()) {
        throw new RelayFailure(RelayError.dead(silence));
      }
    } while (arrival == null);

    if (arrival.end() != null) {
      throw new RelayFailure(arrival.end());
    }
    if (arrival.message() != null) {
      heardAt = System.nanoTime();
      call.request(1);
    }
    return arrival.message();
  }

  /** Lets a waiting {@link #next} return null. From any thread. */
  void wake() {
    arrivals.add(new Arrival<>(null, null));
  }

  /** Cancels the call if it has not ended. */
  @Override
  public void close() {
    call.cancel("no longer wanted", null);
  }

  private final class Listener extends ClientCall.Listener<T> {
    @Override
    public void onMessage(T message) {
      heardAt = System.nanoTime();
      arrivals.add(new Arrival<>(message, null));
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      arrivals.add(new Arrival<>(null, RelayError.of(status, trailers)));
    }
  }
}
