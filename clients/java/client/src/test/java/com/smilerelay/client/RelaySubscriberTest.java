package com.smilerelay.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.smilerelay.client.ConnectionObserver.Lost;
import com.smilerelay.v1.Event;
import com.smilerelay.v1.GetEventResponse;
import com.smilerelay.v1.Omitted;
import com.smilerelay.v1.OmittedReason;
import com.smilerelay.v1.StartPosition;
import com.smilerelay.v1.SubscribeRequest.StartCase;
import com.smilerelay.v1.SubscribeResponse;
import io.grpc.Status;
import io.grpc.Status.Code;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The loop, over a relay in this process. */
@Timeout(60)
class RelaySubscriberTest {
  private static final Duration HOUR = Duration.ofHours(1);

  @TempDir Path directory;

  private final BlockingQueue<String> handled = new LinkedBlockingQueue<>();
  private final BlockingQueue<Optional<String>> connected = new LinkedBlockingQueue<>();
  private final BlockingQueue<Lost> lost = new LinkedBlockingQueue<>();
  private final CursorStore store = CursorStore.inMemory();
  private final RelaySubscriberBuilder builder =
      RelaySubscriber.builder("localhost:1")
          .cursorStore(store)
          .backoff(Duration.ofMillis(1), Duration.ofMillis(2))
          .observer(
              new ConnectionObserver() {
                @Override
                public void connected(Optional<String> after) {
                  connected.add(after);
                }

                @Override
                public void lost(Lost why) {
                  lost.add(why);
                }
              });

  private FakeRelay relay;
  private RelaySubscriber subscriber;
  private Thread thread;
  private FutureTask<Ended> running;

  @BeforeEach
  void startRelay() throws IOException {
    relay = new FakeRelay();
  }

  @AfterEach
  void stopEverything() {
    if (subscriber != null) {
      // A test that failed may have left its handler waiting.
      thread.interrupt();
      subscriber.close();
    }
    relay.close();
  }

  @Test
  void startsWhereTheApplicationSays() throws Exception {
    run();
    assertEquals(StartPosition.START_POSITION_LATEST, relay.stream().request().getPosition());
    subscriber.close();

    builder.start(Start.earliest());
    run();
    assertEquals(StartPosition.START_POSITION_EARLIEST, relay.stream().request().getPosition());
    subscriber.close();

    builder.start(Start.at(Instant.ofEpochSecond(7, 8)));
    run();
    var since = relay.stream().request().getReceivedSince();
    assertEquals(7, since.getSeconds());
    assertEquals(8, since.getNanos());
  }

  @Test
  void resumesAfterTheLastHandledEvent() throws Exception {
    store.save("stored");
    run();
    var first = relay.stream();
    assertEquals("stored", first.request().getAfterCursor());
    first.checkpoint("stored").events("a", "b").fail(Status.UNAVAILABLE.asRuntimeException());

    assertEquals("b", relay.stream().request().getAfterCursor());
    assertEquals(List.of("a", "b"), List.copyOf(handled));
    assertEquals(Optional.of("b"), store.load());
    assertEquals(Optional.of("stored"), FakeRelay.some(connected));
  }

  @Test
  void resumesAfterACheckpoint() throws Exception {
    run();
    relay.stream().checkpoint("a").fail(Status.UNAVAILABLE.asRuntimeException());
    assertEquals("a", relay.stream().request().getAfterCursor());
  }

  @Test
  void anErrorOfTheHandlerEndsItAndTheEventIsNotKept() throws Exception {
    run(
        event -> {
          if (event.getCursor().equals("b")) {
            throw new IOException("no room");
          }
        });
    relay.stream().events("a", "b", "c");
    var e = assertThrows(ExecutionException.class, () -> running.get());
    assertEquals("no room", assertInstanceOf(IOException.class, e.getCause()).getMessage());
    assertEquals(Optional.of("a"), store.load());
  }

  @Test
  void waitsAsLongAsTheRelayAsks() throws Exception {
    run();
    relay.stream().fail(Statuses.relay(Code.UNAVAILABLE, "DRAINING", Map.of(), HOUR));
    var why = FakeRelay.some(lost);
    assertEquals("DRAINING", why.reason());
    assertEquals(HOUR, why.delay());

    subscriber.stop();
    assertEquals(Ended.STOPPED, running.get());
  }

  @Test
  void anEndThatNobodyAskedForIsALoss() throws Exception {
    run();
    relay.stream().checkpoint("a").observer().onCompleted();
    assertEquals(Code.OK, FakeRelay.some(lost).code());
    assertEquals("a", relay.stream().request().getAfterCursor());
  }

  @Test
  void endsWhenCaughtUp() throws Exception {
    builder.stopWhenCaughtUp(true);
    run();
    relay.stream().events("a").checkpoint("z").observer().onCompleted();
    assertEquals(Ended.CAUGHT_UP, running.get());
    assertEquals(Optional.of("z"), store.load());
  }

  @Test
  void aGapFailsUnlessSomebodyDecides() throws Exception {
    store.save("old");
    run();
    relay.stream().fail(expired());
    var e = assertThrows(ExecutionException.class, () -> running.get());
    var gap = assertInstanceOf(GapException.class, e.getCause()).gap();
    assertEquals(
        new Gap("CURSOR_EXPIRED", Optional.of("old"), Optional.of("E"), Optional.of("L")), gap);
    assertEquals(Optional.of("old"), store.load());
  }

  @Test
  void aGapIsGotOverAsDecided() throws Exception {
    store.save("old");
    var decisions =
        List.of(GapDecision.earliest(), GapDecision.latest(), GapDecision.after("new")).iterator();
    builder.gapHandler(gap -> decisions.next());
    run();
    relay.stream().fail(expired());
    var second = relay.stream();
    assertEquals(StartPosition.START_POSITION_EARLIEST, second.request().getPosition());
    second.fail(expired());
    var third = relay.stream();
    assertEquals(StartPosition.START_POSITION_LATEST, third.request().getPosition());
    third.fail(expired());
    var fourth = relay.stream();
    assertEquals("new", fourth.request().getAfterCursor());
    assertEquals(0, lost.size());
  }

  @Test
  void aGapInMidStreamIsAskedAboutAfterTheEventsBeforeIt() throws Exception {
    var gaps = new LinkedBlockingQueue<Gap>();
    builder.gapHandler(
        gap -> {
          gaps.add(gap);
          return GapDecision.earliest();
        });
    run();
    relay.stream().events("a", "b").fail(expired());
    assertEquals(Optional.of("b"), FakeRelay.some(gaps).asked());
    assertEquals(StartCase.POSITION, relay.stream().request().getStartCase());
  }

  @Test
  void aRefusalIsFinal() throws Exception {
    run();
    relay.stream().fail(Status.PERMISSION_DENIED.withDescription("not you").asRuntimeException());
    var e = assertThrows(ExecutionException.class, () -> running.get());
    var refusal = assertInstanceOf(RelayStatusException.class, e.getCause());
    assertEquals(Code.PERMISSION_DENIED, refusal.code());
    assertTrue(refusal.getMessage().contains("not you"));
  }

  @Test
  void aRefusedTokenIsReadAgain() throws Exception {
    Path token = Files.writeString(directory.resolve("token"), "first\n");
    builder.tokenFile(token);
    run();
    var stream = relay.stream();
    assertEquals("Bearer first", FakeRelay.some(relay.authorizations));
    Files.writeString(token, " second ");
    stream.fail(Status.UNAUTHENTICATED.asRuntimeException());
    relay.stream();
    assertEquals("Bearer second", FakeRelay.some(relay.authorizations));
  }

  @Test
  void aTokenFileThatIsAwayIsWaitedFor() throws Exception {
    Path token = directory.resolve("token");
    builder.tokenFile(token);
    run();
    assertEquals(Code.UNAUTHENTICATED, FakeRelay.some(lost).code());
    Files.writeString(token, "here");
    relay.stream();
    assertEquals("Bearer here", FakeRelay.some(relay.authorizations));
  }

  @Test
  void aStreamThatNeverSpeaksIsDead() throws Exception {
    builder.heartbeatInterval(Duration.ofMillis(1));
    run(event -> {}, Duration.ofMillis(20));
    var silent = relay.stream();
    var why = FakeRelay.some(lost);
    assertTrue(why.dead());
    assertEquals(Code.DEADLINE_EXCEEDED, why.code());
    relay.stream();
    silent.awaitCancelled();
  }

  @Test
  void aStreamThatFallsSilentIsDead() throws Exception {
    run();
    relay.stream().checkpoint("a", Duration.ofMillis(10));
    assertTrue(FakeRelay.some(lost).dead());
    assertEquals("a", relay.stream().request().getAfterCursor());
  }

  @Test
  void theTimeOfTheHandlerIsNotSilence() throws Exception {
    var sent = new CountDownLatch(1);
    run(
        event -> {
          if (event.getCursor().equals("0")) {
            sent.await();
          }
          if (event.getCursor().equals("2")) {
            // What a handler does that takes more than the two heartbeats from "1" on.
            LockSupport.parkNanos(Duration.ofMillis(700).toNanos());
          }
          handled.add(event.getCursor());
        });
    var stream = relay.stream().events("0").checkpoint("1", Duration.ofMillis(250));
    var cursors = List.of("2", "3", "4", "5", "6", "7", "8", "9");
    cursors.forEach(stream::events);
    stream.fail(Status.UNAVAILABLE.asRuntimeException());
    sent.countDown();
    assertEquals(Code.UNAVAILABLE, FakeRelay.some(lost).code());
    handled.remove("0");
    assertEquals(cursors, List.copyOf(handled));
  }

  @Test
  void aSlowHandlerHoldsTheRelayBack() throws Exception {
    var arrived = new CountDownLatch(1);
    var go = new CountDownLatch(1);
    run(
        event -> {
          arrived.countDown();
          go.await();
          handled.add(event.getCursor());
        });
    var stream = relay.stream();
    stream.events("0");
    assertTrue(arrived.await(30, TimeUnit.SECONDS));
    int sent = 1;
    while (stream.observer().isReady() && sent < 1000) {
      stream.events(String.valueOf(sent));
      sent++;
    }
    assertTrue(sent <= 16, "sent " + sent);
    go.countDown();
    for (int i = 0; i < sent; i++) {
      assertEquals(String.valueOf(i), FakeRelay.some(handled));
    }
  }

  @Test
  void stopsAmongTheEventsOfAMessage() throws Exception {
    run(
        event -> {
          handled.add(event.getCursor());
          if (event.getCursor().equals("b")) {
            subscriber.close();
          }
        });
    relay.stream().events("a", "b", "c");
    assertEquals(Ended.STOPPED, running.get());
    assertEquals(List.of("a", "b"), List.copyOf(handled));
    assertEquals(Optional.of("b"), store.load());
  }

  @Test
  void anInterruptEndsTheWait() throws Exception {
    run();
    relay.stream().events("a");
    assertEquals("a", FakeRelay.some(handled));
    thread.interrupt();
    var e = assertThrows(ExecutionException.class, () -> running.get());
    assertInstanceOf(InterruptedException.class, e.getCause());
    assertEquals(Optional.of("a"), store.load());
  }

  @Test
  void anInterruptEndsABackoff() throws Exception {
    builder.backoff(HOUR, HOUR);
    run();
    relay.stream().events("a").checkpoint("b").fail(Status.UNAVAILABLE.asRuntimeException());
    FakeRelay.some(lost);
    thread.interrupt();
    var e = assertThrows(ExecutionException.class, () -> running.get());
    assertInstanceOf(InterruptedException.class, e.getCause());
    // The checkpoint came within a second of the event: it was not stored yet.
    assertEquals(Optional.of("b"), store.load());
  }

  @Test
  void anInterruptEndsAmongTheEventsOfAMessage() throws Exception {
    run(
        event -> {
          handled.add(event.getCursor());
          Thread.currentThread().interrupt();
        });
    relay.stream().events("a", "b");
    var e = assertThrows(ExecutionException.class, () -> running.get());
    assertInstanceOf(InterruptedException.class, e.getCause());
    assertEquals(List.of("a"), List.copyOf(handled));
    assertEquals(Optional.of("a"), store.load());
  }

  @Test
  void closeWaitsForTheEventInHand() throws Exception {
    var arrived = new CountDownLatch(1);
    var go = new CountDownLatch(1);
    run(
        event -> {
          arrived.countDown();
          go.await();
        });
    relay.stream().events("a");
    assertTrue(arrived.await(30, TimeUnit.SECONDS));
    var closing = new FutureTask<Void>(subscriber::close, null);
    var closer = new Thread(closing);
    closer.start();
    while (closer.getState() != Thread.State.WAITING) {
      assertTrue(closer.isAlive(), "close() did not wait");
      Thread.onSpinWait();
    }
    go.countDown();
    closing.get();
    assertEquals(Optional.of("a"), store.load());
    assertEquals(Ended.STOPPED, running.get());
  }

  @Test
  void runsOnce() throws Exception {
    run();
    relay.stream();
    assertThrows(IllegalStateException.class, () -> subscriber.run(event -> {}));
  }

  @Test
  void aStubGoesToTheHandlerAsItIs() throws Exception {
    var events = new LinkedBlockingQueue<Event>();
    run(events::add);
    send(relay.stream(), stub("a", OmittedReason.OMITTED_REASON_TOO_LARGE));
    assertTrue(FakeRelay.some(events).hasOmitted());
    assertNull(relay.gets.poll());
  }

  @Test
  void fetchesWhatIsTooLargeAndKeepsTrying() throws Exception {
    var events = new LinkedBlockingQueue<Event>();
    builder.fetchOmitted(true).includeRawBody(true);
    run(events::add);
    var first = relay.stream();
    send(first, stub("a", OmittedReason.OMITTED_REASON_TOO_LARGE));
    var get = FakeRelay.some(relay.gets);
    assertEquals("a", get.request().getCursor());
    assertTrue(get.request().getIncludeRawBody());
    get.observer().onError(Status.UNAVAILABLE.asRuntimeException());
    assertEquals(Code.UNAVAILABLE, FakeRelay.some(lost).code());

    first.awaitCancelled();
    var again = relay.stream();
    assertEquals(StartCase.POSITION, again.request().getStartCase());
    send(again, stub("a", OmittedReason.OMITTED_REASON_TOO_LARGE));
    var whole = Event.newBuilder().setCursor("a").setUserId("whole").build();
    get = FakeRelay.some(relay.gets);
    get.observer().onNext(GetEventResponse.newBuilder().setEvent(whole).build());
    get.observer().onCompleted();
    assertEquals(whole, FakeRelay.some(events));
  }

  @Test
  void doesNotFetchWhatWasErased() throws Exception {
    var events = new LinkedBlockingQueue<Event>();
    builder.fetchOmitted(true);
    run(events::add);
    send(relay.stream(), stub("a", OmittedReason.OMITTED_REASON_ERASED));
    assertTrue(FakeRelay.some(events).hasOmitted());
  }

  private void run() {
    run(event -> handled.add(event.getCursor()));
  }

  private void run(EventHandler<? extends Exception> handler) {
    run(handler, FakeRelay.LONG);
  }

  private void run(EventHandler<? extends Exception> handler, Duration firstMessage) {
    subscriber = builder.build(relay::channel, firstMessage);
    running = new FutureTask<>(() -> subscriber.run(handler));
    thread = new Thread(running);
    thread.start();
  }

  private static Exception expired() {
    return Statuses.relay(
        Code.OUT_OF_RANGE,
        "CURSOR_EXPIRED",
        Map.of("earliest_cursor", "E", "latest_cursor", "L"),
        Duration.ZERO);
  }

  private static Event stub(String cursor, OmittedReason reason) {
    return Event.newBuilder()
        .setCursor(cursor)
        .setOmitted(Omitted.newBuilder().setReason(reason).setSizeBytes(1 << 23))
        .build();
  }

  private static void send(FakeRelay.Stream stream, Event event) {
    stream.observer().onNext(SubscribeResponse.newBuilder().addEvents(event).build());
  }
}
