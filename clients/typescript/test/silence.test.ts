import assert from 'node:assert/strict';
import { mock, test, type TestContext } from 'node:test';
import { SilenceWatch } from '../src/silence.js';

function watch(t: TestContext, clock: { now: number }) {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.after(() => mock.timers.reset());
  const silences: number[] = [];
  return { silence: new SilenceWatch((ms) => silences.push(ms), () => clock.now), silences };
}

test('tells of silence when the time is over, once', (t) => {
  const clock = { now: 0 };
  const { silence, silences } = watch(t, clock);
  silence.start(2000);
  mock.timers.tick(1999);
  assert.deepEqual(silences, []);
  clock.now = 2000;
  mock.timers.tick(10_000);
  assert.deepEqual(silences, [2000]);
});

test('counts from the last start, and not at all when stopped', (t) => {
  const clock = { now: 0 };
  const { silence, silences } = watch(t, clock);
  silence.start(2000);
  mock.timers.tick(1500);
  silence.start(2000);
  mock.timers.tick(1500);
  silence.stop();
  mock.timers.tick(10_000);
  assert.deepEqual(silences, []);
});

test('looks again if the timer fired late, as what was received is not read then', (t) => {
  const clock = { now: 0 };
  const { silence, silences } = watch(t, clock);
  silence.start(2000);
  clock.now = 9000;
  mock.timers.tick(2000);
  assert.deepEqual(silences, []);
  clock.now = 10_000;
  mock.timers.tick(1000);
  assert.equal(silences.length, 1);
});
