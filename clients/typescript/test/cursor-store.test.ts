import assert from 'node:assert/strict';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock, test, type TestContext } from 'node:test';
import { FileCursorStore, MemoryCursorStore } from '../src/index.js';

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cursor-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('a file holds the cursor as text and a newline, and nothing else is left', async (t) => {
  const dir = await directory(t);
  const path = join(dir, 'cursor');
  assert.equal(await new FileCursorStore(path).load(), undefined);
  await new FileCursorStore(path).save('c-1');
  await new FileCursorStore(path).save('c-2');
  assert.equal(await readFile(path, 'utf8'), 'c-2\n');
  assert.equal(await new FileCursorStore(path).load(), 'c-2');
  assert.deepEqual(await readdir(dir), ['cursor']);
});

test('a file is replaced, not written over', async (t) => {
  const path = join(await directory(t), 'cursor');
  const store = new FileCursorStore(path);
  await store.save('old');
  const before = await open(path);
  await store.save('new');
  assert.equal(await before.readFile('utf8'), 'old\n');
  await before.close();
});

test('a file is on the disk before it takes its name', async (t) => {
  const path = join(await directory(t), 'cursor');
  const store = new FileCursorStore(path);
  await store.save('old');
  const handle = await open(path);
  await handle.close();
  const named: string[] = [];
  const sync = mock.method(Object.getPrototypeOf(handle), 'sync', async () => void named.push(await readFile(path, 'utf8')));
  t.after(() => sync.mock.restore());
  await store.save('new');
  assert.deepEqual(named, ['old\n']);
});

test('a save that fails says so and leaves the old cursor', async (t) => {
  const path = join(await directory(t), 'cursor');
  const store = new FileCursorStore(path);
  await store.save('old');
  await mkdir(`${path}.tmp`);
  await assert.rejects(store.save('new'));
  assert.equal(await store.load(), 'old');
});

test('what a killed process left behind is replaced', async (t) => {
  const path = join(await directory(t), 'cursor');
  await writeFile(`${path}.tmp`, 'half a curs');
  await new FileCursorStore(path).save('whole');
  assert.equal(await readFile(path, 'utf8'), 'whole\n');
});

test('an empty file is no cursor, and one that cannot be read is an error', async (t) => {
  const dir = await directory(t);
  await writeFile(join(dir, 'empty'), '\n');
  assert.equal(await new FileCursorStore(join(dir, 'empty')).load(), undefined);
  await assert.rejects(new FileCursorStore(dir).load(), { code: 'EISDIR' });
});

test('memory begins where it is told', () => {
  const store = new MemoryCursorStore('c-1');
  assert.equal(store.load(), 'c-1');
  store.save('c-2');
  assert.equal(store.load(), 'c-2');
});
