import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Progress } from '../src/progress.js';

let saved: string[];
let now: number;
let progress: Progress;

beforeEach(() => {
  saved = [];
  now = 0;
  progress = new Progress({ load: () => undefined, save: (cursor) => void saved.push(cursor) }, () => now);
});

test('every handled event is saved', async () => {
  for (const cursor of ['e-1', 'e-2', 'e-3']) await progress.handled(cursor);
  assert.deepEqual(saved, ['e-1', 'e-2', 'e-3']);
});

test('checkpoints are saved once a second, and the last of them at the end', async () => {
  await progress.reached('c-1');
  now = 999;
  await progress.reached('c-2');
  assert.equal(progress.cursor, 'c-2');
  assert.deepEqual(saved, ['c-1']);
  now = 1000;
  await progress.reached('c-3');
  now = 1001;
  await progress.reached('c-4');
  await progress.flush();
  await progress.flush();
  assert.deepEqual(saved, ['c-1', 'c-3', 'c-4']);
});

test('a checkpoint soon after an event waits as well', async () => {
  await progress.handled('e-1');
  now = 500;
  await progress.reached('c-1');
  assert.deepEqual(saved, ['e-1']);
});

test('what the store holds already is not saved again', async () => {
  const loaded = new Progress({ load: () => 'c-1', save: (cursor) => void saved.push(cursor) }, () => now);
  await loaded.load();
  await loaded.reached('c-1');
  await loaded.flush();
  assert.equal(loaded.cursor, 'c-1');
  assert.deepEqual(saved, []);
});

test('a place that was given up is not saved', async () => {
  await progress.handled('e-1');
  progress.forget();
  await progress.flush();
  assert.equal(progress.cursor, undefined);
  assert.deepEqual(saved, ['e-1']);
});
