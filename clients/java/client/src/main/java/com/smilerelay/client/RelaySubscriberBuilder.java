package com.smilerelay.client;

import com.smilerelay.v1.EventFilter;
import com.smilerelay.v1.SubscribeRequest;
import io.grpc.ManagedChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.function.Supplier;

/** Describes a {@link RelaySubscriber}. Everything has a default. */
public final class RelaySubscriberBuilder {
  /** The relay's own default: gRPC clients refuse messages over 4 MiB unless told otherwise. */
  private static final int DEFAULT_MAX_EVENT_BYTES = 3 << 20;

  private static final Duration DEFAULT_HEARTBEAT = Duration.ofSeconds(15);

  private final Target target;
  private final SubscribeRequest.Builder request =
      SubscribeRequest.newBuilder()
          .setHeartbeatInterval(ProtoDurations.of(DEFAULT_HEARTBEAT))
          .setMaxEventBytes(DEFAULT_MAX_EVENT_BYTES);
  private Start start = Start.latest();
  private CursorStore cursorStore = CursorStore.inMemory();
  private GapHandler gapHandler = gap -> GapDecision.fail();
  private ConnectionObserver observer = new ConnectionObserver() {};
  private boolean fetchOmitted;
  private Duration backoffInitial = Duration.ofMillis(100);
  private Duration backoffMax = Duration.ofSeconds(10);
  private Path tokenFile;
  private Tls tls;

  RelaySubscriberBuilder(Target target) {
    this.target = target;
  }

  /** Which events to deliver. Default: every webhook. */
  public RelaySubscriberBuilder filter(EventFilter filter) {
    request.setFilter(filter);
    return this;
  }

  /** Where to start when the store is empty. Default: {@link Start#latest()}. */
  public RelaySubscriberBuilder start(Start start) {
    this.start = Objects.requireNonNull(start);
    return this;
  }

  /** Keeps the place. Default: {@link CursorStore#inMemory()}, which forgets it when the process ends. */
  public RelaySubscriberBuilder cursorStore(CursorStore cursorStore) {
    this.cursorStore = Objects.requireNonNull(cursorStore);
    return this;
  }

  /** Decides what to do when events are missing. Default: {@link GapDecision#fail()}. */
  public RelaySubscriberBuilder gapHandler(GapHandler gapHandler) {
    this.gapHandler = Objects.requireNonNull(gapHandler);
    return this;
  }

  /** Is told what happens to the connection. Default: nobody is. */
  public RelaySubscriberBuilder observer(ConnectionObserver observer) {
    this.observer = Objects.requireNonNull(observer);
    return this;
  }

  /** Whether events carry the bytes that Smile sent, and their signature. Default: false. */
  public RelaySubscriberBuilder includeRawBody(boolean include) {
    request.setIncludeRawBody(include);
    return this;
  }

  /** Whether to end once everything is handled that the log held when the stream opened. Default: false. */
  public RelaySubscriberBuilder stopWhenCaughtUp(boolean stop) {
    request.setStopWhenCaughtUp(stop);
    return this;
  }

  /**
   * The longest silence of a stream that lives; after two of them it is given up. The relay takes 1 s to 5 min.
   * Default: 15 s.
   */
  public RelaySubscriberBuilder heartbeatInterval(Duration interval) {
    request.setHeartbeatInterval(ProtoDurations.of(positive(interval, "heartbeatInterval")));
    return this;
  }

  /** A name for the relay's metrics and logs, at most 128 bytes. Not an identity. Default: none. */
  public RelaySubscriberBuilder consumer(String name) {
    request.setConsumer(name);
    return this;
  }

  /**
   * Events that take more bytes than this come without their content, with {@code omitted} set. The receive limit of the
   * connection is 1 MiB more. 4,096 or more; default: 3,145,728 (3 MiB).
   */
  public RelaySubscriberBuilder maxEventBytes(int bytes) {
    if (bytes <= 0 || bytes > Integer.MAX_VALUE - Subscription.MESSAGE_ROOM) {
      throw new IllegalArgumentException("maxEventBytes is out of range: " + bytes);
    }
    request.setMaxEventBytes(bytes);
    return this;
  }

  /** Whether to get events that are larger than that, whole, by a call of their own. Default: false. */
  public RelaySubscriberBuilder fetchOmitted(boolean fetch) {
    this.fetchOmitted = fetch;
    return this;
  }

  /**
   * The delay after failures in a row: at random between half and the whole of {@code initial}, which doubles with each
   * failure up to {@code max}. The relay may ask for a longer one. Default: 100 ms and 10 s.
   */
  public RelaySubscriberBuilder backoff(Duration initial, Duration max) {
    this.backoffInitial = positive(initial, "the initial backoff");
    this.backoffMax = positive(max, "the maximal backoff");
    return this;
  }

  /**
   * A file with a bearer token, read again for each call. Only with TLS, for a loopback address, or for a socket.
   * Default: none.
   */
  public RelaySubscriberBuilder tokenFile(Path file) {
    this.tokenFile = Objects.requireNonNull(file);
    return this;
  }

  /** TLS, trusting the roots that Java trusts. Default: plaintext. */
  public RelaySubscriberBuilder tls() {
    tlsOrNew();
    return this;
  }

  /** TLS, trusting the certificates in this PEM file instead. */
  public RelaySubscriberBuilder caFile(Path file) {
    tlsOrNew().caFile = Objects.requireNonNull(file);
    return this;
  }

  /** TLS, with a certificate (chain) and its unencrypted key, both in PEM, to be known by. */
  public RelaySubscriberBuilder clientCertificate(Path certificate, Path key) {
    tlsOrNew().certificate = Objects.requireNonNull(certificate);
    tls.key = Objects.requireNonNull(key);
    return this;
  }

  /** TLS, and the name that the relay's certificate has to be for. Default: the target's host. */
  public RelaySubscriberBuilder serverName(String name) {
    tlsOrNew().serverName = Objects.requireNonNull(name);
    return this;
  }

  /**
   * Makes the subscriber. Connects to nothing.
   *
   * @throws IllegalArgumentException if a file of TLS can't be used, or a token would travel in plaintext
   */
  public RelaySubscriber build() {
    if (tokenFile != null && tls == null && !target.local()) {
      throw new IllegalArgumentException(
          "a token is sent only over TLS, to a loopback address or to a Unix socket: set tls() or caFile()");
    }
    var channels =
        new Channels(target, tls, request.getMaxEventBytes() + Subscription.MESSAGE_ROOM);
    return build(channels, Duration.ofSeconds(10));
  }

  /** For tests: over other channels, and with another time for the first message. */
  RelaySubscriber build(Supplier<ManagedChannel> channels, Duration firstMessage) {
    var settings =
        new Settings(
            request.build(),
            start,
            cursorStore,
            gapHandler,
            observer,
            fetchOmitted,
            backoffInitial,
            backoffMax,
            firstMessage);
    return new RelaySubscriber(
        settings, channels, tokenFile == null ? null : new TokenFile(tokenFile));
  }

  private Tls tlsOrNew() {
    if (tls == null) {
      tls = new Tls();
    }
    return tls;
  }

  private static Duration positive(Duration duration, String name) {
    if (duration.isNegative() || duration.isZero()) {
      throw new IllegalArgumentException(name + " has to be positive: " + duration);
    }
    return duration;
  }
}
