import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventType, MemoryCursorStore, OptionsError, type SubscribeOptions } from '../src/index.js';
import { check } from '../src/options.js';

const least: SubscribeOptions = { target: 'relay.internal:50051', handler: () => {}, store: new MemoryCursorStore() };

test('has the documented defaults', () => {
  const settings = check(least);
  assert.equal(settings.start, 'latest');
  assert.equal(settings.heartbeatIntervalMs, 15_000);
  assert.equal(settings.maxEventBytes, 3_145_728);
  assert.deepEqual(settings.backoff, { initialMs: 100, maxMs: 10_000 });
  assert.equal(settings.fetchOmitted, false);
  assert.equal(settings.tls, undefined);
});

test('sends a token only where nobody can read it', () => {
  const withToken = { ...least, tokenFile: '/run/token' };
  assert.throws(() => check(withToken), (error) => error instanceof OptionsError && /in the clear/.test(error.message));
  check({ ...withToken, tls: true });
  check({ ...withToken, target: '127.0.0.1:50051' });
  check({ ...withToken, target: 'unix:/run/relay.sock' });
});

test('refuses what cannot be meant', () => {
  const faults: [Partial<SubscribeOptions>, RegExp][] = [
    [{ tls: { certFile: 'client.crt' } }, /keyFile/],
    [{ tls: { keyFile: 'client.key' } }, /certFile/],
    [{ heartbeatIntervalMs: 15 }, /heartbeatIntervalMs: 15 /],
    [{ heartbeatIntervalMs: Number.NaN }, /heartbeatIntervalMs/],
    [{ maxEventBytes: 100 }, /maxEventBytes: 100 /],
    [{ backoff: { maxMs: 0 } }, /backoff.maxMs/],
    [{ start: new Date('yesterday') }, /start/],
    [{ filter: { types: [undefined as unknown as EventType] } }, /filter/],
  ];
  for (const [fault, message] of faults) {
    assert.throws(() => check({ ...least, ...fault }), (error) => error instanceof OptionsError && message.test(error.message));
  }
});
