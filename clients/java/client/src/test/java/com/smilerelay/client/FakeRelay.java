package com.smilerelay.client;

import com.smilerelay.v1.Checkpoint;
import com.smilerelay.v1.Event;
import com.smilerelay.v1.GetEventRequest;
import com.smilerelay.v1.GetEventResponse;
import com.smilerelay.v1.RelayServiceGrpc;
import com.smilerelay.v1.SubscribeRequest;
import com.smilerelay.v1.SubscribeResponse;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A relay in this process that does what a test tells it to. */
final class FakeRelay extends RelayServiceGrpc.RelayServiceImplBase implements AutoCloseable {
  static final Duration LONG = Duration.ofSeconds(20);

  /** A stream that was opened. */
  record Stream(
      SubscribeRequest request,
      ServerCallStreamObserver<SubscribeResponse> observer,
      CountDownLatch cancelled) {
    /** Sends a checkpoint with a heartbeat that no test lives to miss. */
    Stream checkpoint(String cursor) {
      return checkpoint(cursor, LONG);
    }

    Stream checkpoint(String cursor, Duration heartbeat) {
      observer.onNext(SubscribeResponse.newBuilder().setCheckpoint(place(cursor, heartbeat)).build());
      return this;
    }

    /** Sends events whose cursors are these, in one message. */
    Stream events(String... cursors) {
      var message = SubscribeResponse.newBuilder();
      for (String cursor : cursors) {
        message.addEvents(Event.newBuilder().setCursor(cursor));
      }
      observer.onNext(message.build());
      return this;
    }

    /** Waits until the client has cancelled it. */
    void awaitCancelled() throws InterruptedException {
      if (!cancelled.await(LONG.toSeconds(), TimeUnit.SECONDS)) {
        throw new AssertionError("the stream was not cancelled");
      }
    }

    void fail(Exception status) {
      observer.onError(status);
    }

    private static Checkpoint place(String cursor, Duration heartbeat) {
      return Checkpoint.newBuilder()
          .setCursor(cursor)
          .setHeartbeatInterval(ProtoDurations.of(heartbeat))
          .build();
    }
  }

  /** A GetEvent that came. */
  record Get(GetEventRequest request, StreamObserver<GetEventResponse> observer) {}

  private final BlockingQueue<Stream> streams = new LinkedBlockingQueue<>();
  final BlockingQueue<Get> gets = new LinkedBlockingQueue<>();
  final BlockingQueue<String> authorizations = new LinkedBlockingQueue<>();
  private final String name = InProcessServerBuilder.generateName();
  private final Server server;

  FakeRelay() throws IOException {
    server = InProcessServerBuilder.forName(name).addService(this).intercept(new Headers()).build().start();
  }

  ManagedChannel channel() {
    return InProcessChannelBuilder.forName(name).build();
  }

  /** Waits for the next stream to be opened. */
  Stream stream() throws InterruptedException {
    return some(streams);
  }

  static <T> T some(BlockingQueue<T> queue) throws InterruptedException {
    T item = queue.poll(LONG.toSeconds(), TimeUnit.SECONDS);
    if (item == null) {
      throw new AssertionError("nothing came");
    }
    return item;
  }

  @Override
  public void subscribe(SubscribeRequest request, StreamObserver<SubscribeResponse> observer) {
    var server = (ServerCallStreamObserver<SubscribeResponse>) observer;
    var cancelled = new CountDownLatch(1);
    server.setOnCancelHandler(cancelled::countDown);
    streams.add(new Stream(request, server, cancelled));
  }

  @Override
  public void getEvent(GetEventRequest request, StreamObserver<GetEventResponse> observer) {
    gets.add(new Get(request, observer));
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private final class Headers implements ServerInterceptor {
    private static final Metadata.Key<String> AUTHORIZATION =
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    @Override
    public <Q, T> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, T> call, Metadata headers, ServerCallHandler<Q, T> next) {
      if (headers.containsKey(AUTHORIZATION)) {
        authorizations.add(headers.get(AUTHORIZATION));
      }
      return next.startCall(call, headers);
    }
  }
}
