import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mock, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { credentials, status as Code } from '@grpc/grpc-js';
import {
  type Connected,
  type Event,
  type Gap,
  GapError,
  type Lost,
  MemoryCursorStore,
  OptionsError,
  RefusedError,
  subscribe,
  type SubscribeOptions,
} from '../src/index.js';
import { OmittedReason, RelayServiceClient, StartPosition, SubscribeResponse } from '../src/v1.js';
import { type Call, cancelled, event, fail, FakeRelay, send, sendCheckpoint, unavailable } from './fake-relay.js';
import { relayStatus } from './status-trailer.js';

const timeout = 20_000;
const quick = { initialMs: 1, maxMs: 2 };

/** A subscription and what was seen of it. It stops after the event that is named. */
class Run {
  readonly handled: string[] = [];
  readonly connected: Connected[] = [];
  readonly lost: Lost[] = [];
  readonly store = new MemoryCursorStore();
  readonly stop = new AbortController();
  readonly options: SubscribeOptions;

  constructor(relay: FakeRelay, lastEvent: number, options: Partial<SubscribeOptions> = {}) {
    this.options = {
      target: relay.target,
      store: this.store,
      signal: this.stop.signal,
      backoff: quick,
      handler: (event) => {
        this.handled.push(event.id);
        if (event.sequence === BigInt(lastEvent)) this.stop.abort();
      },
      onConnected: (connected) => this.connected.push(connected),
      onLost: (lost) => this.lost.push(lost),
      ...options,
    };
  }

  end(): Promise<void> {
    return subscribe(this.options);
  }
}

test('resumes after the last handled event', { timeout }, async (t) => {
  const relay = await FakeRelay.start(
    t,
    (call) => {
      send(call, event(1), event(2));
      fail(call, unavailable);
    },
    (call) => send(call, event(3)),
  );
  const run = new Run(relay, 3, { start: 'earliest' });
  await run.end();
  assert.deepEqual(run.handled, ['id-1', 'id-2', 'id-3']);
  assert.deepEqual(relay.starts, [StartPosition.START_POSITION_EARLIEST, 'e-2']);
  assert.deepEqual(run.connected, [{ after: '' }, { after: 'e-2' }]);
  assert.deepEqual(run.lost.map(({ code, message }) => [code, message]), [['UNAVAILABLE', 'away']]);
  assert.equal(run.store.load(), 'e-3');
});

test('begins after the cursor of the store, whatever start says', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(8)));
  const run = new Run(relay, 8, { store: new MemoryCursorStore('e-7'), start: 'earliest' });
  await run.end();
  assert.deepEqual(relay.starts, ['e-7']);
});

test('resumes after a checkpoint if no event came', { timeout }, async (t) => {
  const relay = await FakeRelay.start(
    t,
    (call) => {
      sendCheckpoint(call, 'c-1');
      fail(call, unavailable);
    },
    (call) => send(call, event(1)),
  );
  await new Run(relay, 1).end();
  assert.deepEqual(relay.starts, [StartPosition.START_POSITION_LATEST, 'c-1']);
});

test('asks for what the options say', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1)));
  const start = new Date('2026-11-24T00:00:00.250Z');
  await new Run(relay, 1, { start, consumer: 'billing', filter: { userIds: ['u-1'] }, maxEventBytes: 4096 }).end();
  const [request] = relay.requests;
  assert.deepEqual(request?.start?.value, { seconds: BigInt(start.getTime() - 250) / 1000n, nanos: 250_000_000 });
  assert.deepEqual(request?.filter?.userIds, ['u-1']);
  assert.equal(request?.consumer, 'billing');
  assert.equal(request?.maxEventBytes, 4096);
  assert.deepEqual(request?.heartbeatInterval, { seconds: 15n, nanos: 0 });
});

test('ends with the error of the handler, and does not keep its event', { timeout }, async (t) => {
  let ended: Promise<void> | undefined;
  const relay = await FakeRelay.start(t, (call) => {
    ended = cancelled(call);
    send(call, event(1), event(2), event(3));
  });
  const broken = new Error('the database is away');
  const run = new Run(relay, 3, {
    handler: async ({ id }) => {
      if (id === 'id-2') throw broken;
    },
  });
  await assert.rejects(run.end(), (error) => error === broken);
  assert.equal(run.store.load(), 'e-1');
  await ended;
});

test('ends with the error of the store', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1)));
  const full = new Error('no space left');
  const store = { load: () => undefined, save: () => Promise.reject(full) };
  await assert.rejects(new Run(relay, 1, { store }).end(), (error) => error === full);
});

test('ends with what the relay refuses, after one attempt', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => fail(call, relayStatus(Code.PERMISSION_DENIED, 'not granted')));
  await assert.rejects(new Run(relay, 1).end(), RefusedError);
  assert.equal(relay.requests.length, 1);
});

test('a stream that ends by itself is opened again, unless that was wanted', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => {
    send(call, event(relay.requests.length));
    call.end();
  });
  const run = new Run(relay, 2);
  await run.end();
  assert.deepEqual(run.lost.map(({ code }) => code), ['OK']);

  await new Run(relay, 0, { stopWhenCaughtUp: true }).end();
  assert.equal(relay.requests.length, 3);
});

const expired = relayStatus(Code.OUT_OF_RANGE, 'removed', { reason: 'CURSOR_EXPIRED', cursors: { earliest_cursor: 'e-5' } });

test('a gap ends the subscription if nobody decides', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => fail(call, expired));
  const store = new MemoryCursorStore('e-1');
  await assert.rejects(new Run(relay, 1, { store }).end(), (error) => {
    assert.ok(error instanceof GapError);
    assert.deepEqual(error.gap, { reason: 'CURSOR_EXPIRED', message: 'removed', asked: 'e-1', earliestCursor: 'e-5' });
    return true;
  });
  assert.equal(store.load(), 'e-1');
});

test('a gap is continued where the application says, and a second one asked about again', { timeout }, async (t) => {
  const scenes = [...Array<(call: Call) => void>(3).fill((call) => fail(call, expired)), (call: Call) => send(call, event(9))];
  const relay = await FakeRelay.start(t, ...scenes);
  const gaps: Gap[] = [];
  const decisions = [{ after: 'e-4' }, 'latest', 'earliest'] as const;
  const onGap = (gap: Gap) => decisions[gaps.push(gap) - 1] ?? 'fail';
  await new Run(relay, 9, { store: new MemoryCursorStore('e-1'), onGap }).end();
  assert.deepEqual(gaps.map(({ asked }) => asked), ['e-1', 'e-4', '']);
  const { START_POSITION_LATEST, START_POSITION_EARLIEST } = StartPosition;
  assert.deepEqual(relay.starts, ['e-1', 'e-4', START_POSITION_LATEST, START_POSITION_EARLIEST]);
});

test('stops during a delay', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => fail(call, unavailable));
  const run: Run = new Run(relay, 0, { backoff: { initialMs: 1e9, maxMs: 1e9 }, onLost: () => run.stop.abort() });
  await run.end();
  assert.equal(relay.requests.length, 1);
});

test('stops while nothing happens', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => sendCheckpoint(call, 'c-1'));
  const run: Run = new Run(relay, 0, { onConnected: () => void setImmediate(() => run.stop.abort()) });
  await run.end();
  assert.equal(run.store.load(), 'c-1');
});

test('saves the last place when stopped', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => sendCheckpoint(call, 'c-1', 15_000, event(1)));
  const run = new Run(relay, 1);
  await run.end();
  assert.equal(run.store.load(), 'c-1');
});

test('waits for the handler when stopped, and keeps its event', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1), event(2)));
  const run: Run = new Run(relay, 0, {
    handler: async ({ id }) => {
      run.stop.abort();
      await new Promise(setImmediate);
      run.handled.push(id);
    },
  });
  await run.end();
  assert.deepEqual(run.handled, ['id-1']);
  assert.equal(run.store.load(), 'e-1');
});

test('does not keep the event of a handler that was interrupted by the stop', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1)));
  const run: Run = new Run(relay, 0, {
    handler: async () => {
      setImmediate(() => run.stop.abort());
      await sleep(1e9, undefined, { signal: run.stop.signal });
    },
  });
  await run.end();
  assert.equal(run.store.load(), undefined);
});

test('does nothing if stopped before it began', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t);
  await new Run(relay, 0, { signal: AbortSignal.abort() }).end();
  assert.equal(relay.requests.length, 0);
});

test('gives up a silent stream and opens another', { timeout }, async (t) => {
  let dead: Promise<void> | undefined;
  const relay = await FakeRelay.start(
    t,
    (call) => {
      dead = cancelled(call);
      sendCheckpoint(call, 'c-1', 20);
    },
    (call) => send(call, event(1)),
  );
  const run = new Run(relay, 1);
  await run.end();
  await dead;
  assert.deepEqual(run.lost.map(({ code, message }) => [code, message]), [['DEAD', 'nothing was received for 0.04 s']]);
  assert.deepEqual(relay.starts, [StartPosition.START_POSITION_LATEST, 'c-1']);
});

test('does not count what the relay is silent while a handler is at work', { timeout }, async (t) => {
  let goOn = () => {};
  const relay = await FakeRelay.start(t, (call) => {
    sendCheckpoint(call, 'c-1', 200);
    send(call, event(1));
    goOn = () => send(call, event(2));
  });
  const run: Run = new Run(relay, 0, {
    handler: async (event) => {
      if (event.sequence === 2n) return run.stop.abort();
      await sleep(500); // More than two heartbeats.
      goOn();
    },
  });
  await run.end();
  assert.deepEqual(run.lost, []);
});

test('does not take a slow handler for a silent relay', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => {
    sendCheckpoint(call, 'c-1', 20);
    for (const n of [1, 2, 3]) send(call, event(n));
  });
  const run: Run = new Run(relay, 0, {
    handler: async (event) => {
      if (event.sequence < 3) await sleep(100);
      else run.stop.abort();
    },
  });
  await run.end();
  assert.deepEqual(run.lost, []);
});

test('decodes one message ahead of the handler, and no more', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => {
    for (let n = 1; n <= 20; n += 1) send(call, event(n, { rawBody: Buffer.alloc(60_000) }));
  });
  const info = new RelayServiceClient(relay.target, credentials.createInsecure());
  t.after(() => info.close());
  const roundTrip = promisify(info.getRelayInfo.bind(info));
  const decode = mock.method(SubscribeResponse, 'decode');
  t.after(() => decode.mock.restore());
  const ahead: number[] = [];
  const run = new Run(relay, 20, {
    handler: async (event) => {
      // Time for whatever would be read ahead to arrive.
      for (let i = 0; i < 5; i += 1) await roundTrip({});
      ahead.push(decode.mock.callCount() - Number(event.sequence));
      if (event.sequence === 20n) run.stop.abort();
    },
  });
  await run.end();
  assert.deepEqual(ahead, [...Array(19).fill(1), 0]);
});

const omitted = { omitted: { reason: OmittedReason.OMITTED_REASON_TOO_LARGE, sizeBytes: 6_000_000n } };

test('fetches what is too large, beyond the limits of the stream', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1, omitted), event(2)));
  const asked: unknown[] = [];
  relay.getEvent = ({ event: which, includeRawBody }) => {
    asked.push(which?.value, includeRawBody);
    return event(1, { rawBody: Buffer.alloc(6_000_000) });
  };
  const events: Event[] = [];
  const run: Run = new Run(relay, 2, {
    fetchOmitted: true,
    includeRawBody: true,
    handler: (event) => {
      if (events.push(event) === 2) run.stop.abort();
    },
  });
  await run.end();
  assert.deepEqual(asked, ['e-1', true]);
  assert.deepEqual(events.map(({ rawBody }) => rawBody.length), [6_000_000, 0]);
  assert.equal(run.store.load(), 'e-2');
});

test('leaves what is too large as it is by default', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1, omitted)));
  const run = new Run(relay, 1);
  await run.end();
  assert.deepEqual(run.handled, ['id-1']);
});

test('tries a failed fetch again, more and more slowly', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1, omitted)));
  let attempts = 0;
  relay.getEvent = () => ((attempts += 1) < 4 ? relayStatus(Code.UNAVAILABLE, 'busy') : event(1));
  const run = new Run(relay, 1, { fetchOmitted: true, backoff: { initialMs: 8 } });
  await run.end();
  assert.deepEqual(run.handled, ['id-1']);
  assert.equal(run.lost.length, 3);
  assert.ok((run.lost[2]?.delayMs ?? 0) >= 16, 'the third delay is doubled twice');
});

test('decides about a failed fetch as about a failed stream', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t, (call) => send(call, event(1, omitted)));
  relay.getEvent = () => relayStatus(Code.NOT_FOUND, 'no such event', { reason: 'EVENT_NOT_FOUND' });
  await assert.rejects(new Run(relay, 1, { fetchOmitted: true }).end(), { code: 'NOT_FOUND', reason: 'EVENT_NOT_FOUND' });
});

async function withToken(t: TestContext, ...scenes: ((call: Call) => void)[]): Promise<[FakeRelay, string]> {
  const relay = await FakeRelay.start(t, ...scenes);
  return [relay, join(relay.directory, 'token')];
}

test('reads the token again for each call', { timeout }, async (t) => {
  const refuse = (call: Call) => fail(call, relayStatus(Code.UNAUTHENTICATED, 'expired'));
  const [relay, tokenFile] = await withToken(t, refuse, refuse, (call) => send(call, event(1)));
  writeFileSync(tokenFile, ' old \n');
  const lost: Lost[] = [];
  const run = new Run(relay, 1, {
    tokenFile,
    onLost: (what) => {
      // The file is away for a moment, then replaced.
      if (lost.push(what) === 2) rmSync(tokenFile);
      if (lost.length === 3) writeFileSync(tokenFile, 'new\n');
    },
  });
  await run.end();
  assert.deepEqual(relay.metadata.map((metadata) => metadata.get('authorization')), [['Bearer old'], ['Bearer old'], ['Bearer new']]);
  assert.deepEqual(lost.map(({ code }) => code), ['UNAUTHENTICATED', 'UNAUTHENTICATED', 'UNAVAILABLE']);
  assert.match(lost[2]?.message ?? '', /token can't be read/);
});

test('ends at once if there is no token to begin with', { timeout }, async (t) => {
  const [relay, tokenFile] = await withToken(t);
  await assert.rejects(new Run(relay, 1, { tokenFile }).end(), OptionsError);
  writeFileSync(tokenFile, '\n');
  await assert.rejects(new Run(relay, 1, { tokenFile }).end(), /holds no token/);
});

test('asks for localhost on a Unix socket', { timeout }, async (t) => {
  const hosts: string[] = [];
  const relay = await FakeRelay.start(t, (call) => {
    hosts.push(call.getHost());
    send(call, event(1));
  });
  await new Run(relay, 1).end();
  assert.deepEqual(hosts, ['localhost']);
});
