package com.smilerelay.client;

import io.grpc.CallOptions;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.util.function.Supplier;

/**
 * The connection of one subscription: at most one HTTP/2 connection at a time. A channel that failed to connect is
 * replaced, not waited for: gRPC's own backoff (up to two minutes, not adjustable) then never delays an attempt.
 */
final class Connection implements AutoCloseable {
  private final Supplier<ManagedChannel> channels;
  private final TokenFile token;
  private ManagedChannel channel;

  /**
   * Connects when the first call is made.
   *
   * @param channels makes a channel; gRPC resolves the target's name anew with each
   * @param token null if calls carry none
   */
  Connection(Supplier<ManagedChannel> channels, TokenFile token) {
    this.channels = channels;
    this.token = token;
  }

  /** Whether calls carry a token from a file. */
  boolean hasToken() {
    return token != null;
  }

  /** Starts a call that sends one request, over the connection that is there or a new one. */
  <Q, T> RelayCall<T> call(MethodDescriptor<Q, T> method, CallOptions options, Q request)
      throws RelayFailure {
    var headers = new Metadata();
    if (token != null) {
      token.addTo(headers);
    }
    if (channel != null && !usable(channel.getState(false))) {
      drop();
    }
    if (channel == null) {
      channel = channels.get();
    }
    return RelayCall.start(channel.newCall(method, options), headers, request);
  }

  /** Closes the connection at once, with the calls on it. The next call makes another. */
  void drop() {
    if (channel != null) {
      channel.shutdownNow();
      channel = null;
    }
  }

  @Override
  public void close() {
    drop();
  }

  private static boolean usable(ConnectivityState state) {
    return state == ConnectivityState.READY || state == ConnectivityState.IDLE;
  }
}
