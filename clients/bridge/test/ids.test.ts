import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from './clock';
import { Page, scripts, sessionStorage } from './page';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

for (const script of scripts) {
  test(`${script}: ids are UUIDv7 of the browser's time`, async () => {
    const clock = new Clock();
    const page = await Page.load({ script, clock });
    page.bridge().onClose();
    await clock.pass(0);
    const { id } = page.sent[0]!.body.callbacks[0]!;
    assert.match(id, uuid);
    assert.equal(parseInt(id.replace('-', '').slice(0, 12), 16), clock.now);
  });

  test(`${script}: each id sorts after those before, whatever the clock does`, async () => {
    const clock = new Clock();
    const page = await Page.load({ script, clock });
    const { onClose } = page.bridge();
    const fired: string[] = [];
    for (const step of [0, 0, 1, -5000, 0, 3]) {
      clock.now += step;
      for (let time = 0; time < 30; time++) onClose(fired.push(''));
    }
    while (page.sent.flatMap(({ body }) => body.callbacks).length < fired.length) await clock.pass(0);
    const sent = page.sent.flatMap(({ body }) => body.callbacks);
    assert.deepEqual(sent.map((callback) => (callback.arguments as number[])[0]), fired.map((_, index) => index + 1));
    const ids = sent.map(({ id }) => id);
    assert.equal(new Set(ids).size, fired.length);
    assert.deepEqual(ids, [...ids].sort());
  });

  test(`${script}: counts on into the next millisecond when one is full`, async () => {
    // All bits set, so that each millisecond has the least room.
    const crypto = { getRandomValues: (bytes: Uint8Array) => bytes.fill(0xff) };
    const storage = sessionStorage();
    const seen: string[] = [];
    const keep = storage.setItem;
    storage.setItem = (key, value) => (seen.push(key.split(' ')[1]!), keep(key, value));
    const page = await Page.load({ script, storage, globals: { crypto } });
    const { onClose } = page.bridge();
    for (let time = 0; time < 5000; time++) onClose();
    assert.equal(new Set(seen).size, 5000);
    assert.deepEqual(seen, [...seen].sort());
    assert.ok(seen.every((id) => uuid.test(id)));
  });

  test(`${script}: without random numbers nothing is relayed, and nobody harmed`, async () => {
    const page = await Page.load({ script, globals: { crypto: undefined } });
    assert.equal(page.bridge({ onClose: () => 'mine' }).onClose(), 'mine');
  });
}
