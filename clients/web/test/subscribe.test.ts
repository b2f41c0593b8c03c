/** The loop, against a relay in memory that does as it is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { delayMs } from '../src/backoff';
import { ErrorInfoSchema, RetryInfoSchema } from '../src/generated/google/rpc/error_details_pb';
import { RelayService, type SubscribeRequest, SubscribeResponseSchema } from '../src/generated/smilerelay/v1/service_pb';
import { type Gap, judge } from '../src/status';
import { type Options, type State, subscribe, SubscriptionEnded } from '../src/subscribe';

type Response = MessageInitShape<typeof SubscribeResponseSchema>;
/** What a stream brings, and how it ends: by an error, by itself, or not at all. */
interface Script {
  responses?: Response[];
  end: ConnectError | 'ok' | 'silence';
}

const event = (sequence: number): Response => ({ events: [{ sequence: BigInt(sequence), cursor: `c${sequence}` }] });
const checkpoint = (cursor: string, heartbeatMs = 15_000): Response => ({
  checkpoint: { cursor, caughtUp: true, heartbeatInterval: durationFromMs(heartbeatMs) },
});

function refusal(code: Code, reason: string, metadata: Record<string, string> = {}): ConnectError {
  return new ConnectError('said the relay', code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: 'smile-relay', metadata } },
  ]);
}

/** Follows one stream after another, until all are used up. Returns all that was seen. */
async function follow(scripts: Script[], options: Partial<Options> = {}) {
  const asked: SubscribeRequest['start'][] = [];
  const seen = { asked, events: [] as number[], saved: [] as string[], states: [] as State[], gaps: [] as Gap[] };
  const stopped = new AbortController();
  const transport = createRouterTransport(({ service }) => {
    service(RelayService, {
      async *subscribe(request, { signal }) {
        const script = scripts.shift();
        if (!script) {
          stopped.abort();
          return;
        }
        asked.push(request.start);
        for (const response of script.responses ?? []) yield create(SubscribeResponseSchema, response);
        if (script.end === 'silence') await new Promise((resolve) => signal.addEventListener('abort', resolve));
        if (script.end instanceof ConnectError) throw script.end;
      },
    });
  });
  await subscribe({
    transport,
    place: { load: () => undefined, save: (cursor) => seen.saved.push(cursor) },
    start: 'earliest',
    heartbeatMs: 15_000,
    signal: stopped.signal,
    onEvent: ({ sequence }) => seen.events.push(Number(sequence)),
    onState: (state) => seen.states.push(state),
    onGap: async (gap) => (seen.gaps.push(gap), 'earliest'),
    ...options,
  });
  return seen;
}

const after = (cursor: string) => ({ case: 'afterCursor', value: cursor });

test('a stream that breaks is resumed after the last cursor', async () => {
  const seen = await follow([
    { responses: [checkpoint('c0'), event(1), event(2)], end: new ConnectError('gone', Code.Unavailable) },
    { responses: [event(3)], end: 'ok' },
    { responses: [checkpoint('c3')], end: new ConnectError('cut', Code.DataLoss) },
  ]);
  assert.deepEqual(seen.events, [1, 2, 3]);
  assert.deepEqual(seen.saved, ['c0', 'c1', 'c2', 'c3', 'c3']);
  assert.deepEqual(seen.asked.slice(1), [after('c2'), after('c3')]);
  const lost = seen.states.filter((state) => state.kind === 'lost');
  assert.deepEqual(lost.map(({ failure, wasOpen }) => [failure.code, wasOpen]), [
    ['Unavailable', true],
    ['Ok', true],
    ['DataLoss', true],
  ]);
});

test('it begins after the place, if there is one', async () => {
  const seen = await follow([{ end: 'ok' }], { place: { load: () => 'kept', save() {} } });
  assert.deepEqual(seen.asked, [after('kept')]);
});

test('two silent heartbeat intervals are the end of a stream', async () => {
  const seen = await follow([
    { responses: [checkpoint('c0', 5), event(1)], end: 'silence' },
    { responses: [event(2)], end: 'ok' },
  ]);
  assert.deepEqual(seen.events, [1, 2]);
  const [lost] = seen.states.filter((state) => state.kind === 'lost');
  assert.equal(lost?.failure.code, 'Dead');
});

test('a gap is a question, and its answer the next start', async () => {
  const expired = refusal(Code.OutOfRange, 'CURSOR_EXPIRED', { latest_cursor: 'newest' });
  const atOldest = await follow([{ responses: [event(1)], end: expired }, { end: 'ok' }]);
  assert.deepEqual(atOldest.gaps, [{ reason: 'CURSOR_EXPIRED', message: 'said the relay', latestCursor: 'newest' }]);
  assert.deepEqual(atOldest.asked[1], { case: 'position', value: 1 });

  const scripts: Script[] = [{ responses: [event(1)], end: expired }, { end: 'ok' }];
  const atNewest = await follow(scripts, { onGap: async () => 'latest' });
  assert.deepEqual(atNewest.asked[1], after('newest'));

  await assert.rejects(follow([{ end: expired }], { onGap: async () => 'stop' }), SubscriptionEnded);
});

test('a refusal, and what a callback throws, end the subscription', async () => {
  const refused = new ConnectError('no', Code.PermissionDenied);
  await assert.rejects(follow([{ end: refused }]), new SubscriptionEnded('PermissionDenied: no'));
  const faulty = new Error('of the page');
  const onEvent = () => {
    throw faulty;
  };
  await assert.rejects(follow([{ responses: [event(1)], end: 'ok' }], { onEvent }), faulty);
});

test('codes and reasons decide', () => {
  const kind = (error: ConnectError) => judge(error).kind;
  assert.equal(kind(refusal(Code.ResourceExhausted, 'TOO_MANY_STREAMS')), 'retry');
  assert.equal(kind(new ConnectError('from elsewhere', Code.ResourceExhausted)), 'final');
  assert.equal(kind(refusal(Code.FailedPrecondition, 'CURSOR_FOREIGN_LOG')), 'gap');
  assert.equal(kind(refusal(Code.FailedPrecondition, 'ANOTHER')), 'final');
  assert.equal(kind(new ConnectError('too large', Code.OutOfRange)), 'final');
  assert.equal(kind(new ConnectError('no', Code.InvalidArgument)), 'final');
  const value = { retryDelay: durationFromMs(1500) };
  const draining = new ConnectError('soon', Code.Unavailable, undefined, [{ desc: RetryInfoSchema, value }]);
  assert.deepEqual(judge(draining), {
    kind: 'retry',
    failure: { code: 'Unavailable', reason: '', message: 'soon' },
    atLeastMs: 1500,
  });
});

test('delays double up to 10 s, and respect what the relay asks for', () => {
  assert.deepEqual([1, 2, 3].map((failures) => delayMs(failures, 0, 0)), [50, 100, 200]);
  assert.ok(delayMs(1, 0, 0.999) < 100);
  assert.equal(delayMs(1000, 0, 0), 5000);
  assert.equal(delayMs(1, 7000), 7000);
});
