package com.smilerelay.client;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** Makes gRPC channels to one target. */
final class Channels implements Supplier<ManagedChannel> {
  /**
   * What the relay may send ahead of what was asked for, in bytes: some more messages. gRPC's own megabyte, which grows,
   * would hold thousands of small events that a slow handler comes to late.
   */
  private static final int FLOW_CONTROL_WINDOW = 256 << 10;

  private final Target target;
  private final ChannelCredentials credentials;
  private final String authority;
  private final int receiveLimit;

  /**
   * Reads the files that TLS names, and tries what it is given.
   *
   * @param tls null for plaintext
   * @param receiveLimit of a message, in bytes
   * @throws IllegalArgumentException if no channel can be made of it
   */
  Channels(Target target, Tls tls, int receiveLimit) {
    this.target = target;
    this.credentials = tls == null ? InsecureChannelCredentials.create() : tls.credentials();
    this.authority = authority(target, tls);
    this.receiveLimit = receiveLimit;
    try {
      get().shutdownNow();
    } catch (RuntimeException e) {
      // Now, not in run(): a damaged certificate, or a socket where Netty has no epoll.
      throw new IllegalArgumentException("no channel to " + target.uri() + ": " + e.getMessage(), e);
    }
  }

  @Override
  public ManagedChannel get() {
    var channel =
        Grpc.newChannelBuilder(target.uri(), credentials)
            .maxInboundMessageSize(receiveLimit)
            // A stream of events is quiet for long; the relay allows pings this often.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(10, TimeUnit.SECONDS)
            // The subscription retries, and knows where to resume.
            .disableRetry();
    if (channel instanceof NettyChannelBuilder netty) {
      netty.flowControlWindow(FLOW_CONTROL_WINDOW);
    }
    if (authority != null) {
      channel.overrideAuthority(authority);
    }
    return channel.build();
  }

  /** The :authority; null for the target's host. gRPC would send a socket's path, which HTTP/2 servers refuse. */
  private static String authority(Target target, Tls tls) {
    if (tls != null && tls.serverName != null) {
      return tls.serverName;
    }
    return target.socket() ? "localhost" : null;
  }
}
