import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayMs } from '../src/backoff.js';

const backoff = { initialMs: 100, maxMs: 10_000 };
const almostOne = 1 - Number.EPSILON;

test('is between half and the whole of a time that doubles', () => {
  const ranges = [1, 2, 3, 7].map((failures) => [0, almostOne].map((random) => delayMs(backoff, failures, 0, random)));
  assert.deepEqual(ranges, [[50, 100], [100, 200], [200, 400], [3200, 6400]]);
});

test('never exceeds the maximum, however many failures there were', () => {
  for (const failures of [8, 100, 5000]) assert.equal(delayMs(backoff, failures, 0, almostOne), 10_000);
});

test('is never below what the relay asked for', () => {
  assert.equal(delayMs(backoff, 1, 2500.2, 0), 2501);
  assert.equal(delayMs(backoff, 1, 60_000, almostOne), 60_000);
  assert.equal(delayMs(backoff, 7, 10, 0), 3200);
});

test('stays within what a timer can count to', () => {
  assert.equal(delayMs(backoff, 1, 1e15, 0), 2 ** 31 - 1);
});
