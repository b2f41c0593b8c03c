import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationFromMs, durationToMs, fromDate, toDate, toRfc3339 } from '../src/time.js';

test('writes as many digits of a fraction as there are', () => {
  const text = (nanos: number) => toRfc3339({ seconds: 1_795_483_224n, nanos });
  assert.equal(text(0), '2026-11-24T01:20:24Z');
  assert.equal(text(120_000_000), '2026-11-24T01:20:24.120Z');
  assert.equal(text(1_000), '2026-11-24T01:20:24.000001Z');
  assert.equal(text(123_456_789), '2026-11-24T01:20:24.123456789Z');
});

test('counts nanoseconds forward, also before 1970', () => {
  assert.equal(toRfc3339({ seconds: -1n, nanos: 500_000_000 }), '1969-12-31T23:59:59.500Z');
  assert.deepEqual(fromDate(new Date(-500)), { seconds: -1n, nanos: 500_000_000 });
});

test('keeps milliseconds through Date', () => {
  const date = new Date('2026-11-24T01:20:24.987Z');
  assert.deepEqual(toDate(fromDate(date)), date);
});

test('converts durations', () => {
  assert.deepEqual(durationFromMs(15_250), { seconds: 15n, nanos: 250_000_000 });
  assert.equal(durationToMs({ seconds: 2n, nanos: 5_000_000 }), 2005);
});
