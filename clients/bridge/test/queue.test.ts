import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from './clock';
import { jwt, later, Page, scripts, sessionStorage, stored, unreachable } from './page';

const uiEvent = { eventName: 'LoginPageOpened', eventTime: '', mode: 'SANDBOX' };
const first = (callbacks: { arguments?: unknown }[]) => callbacks.map((callback) => (callback.arguments as unknown[])[0]);

for (const script of scripts) {
  test(`${script}: the queue outlives a reload, in order and to the letter`, async () => {
    const storage = sessionStorage();
    const before = await Page.load({ script, storage, answer: unreachable });
    const { onClose } = before.bridge();
    onClose(1);
    onClose({ half: '\ud83d', big: 7n });
    await before.clock.pass(2000);
    const after = await Page.load({ script, storage });
    after.clock.now = before.clock.now;
    after.bridge().onClose(3);
    await settled();
    const texts = (page: Page) => /"callbacks":\[(.*)\]\}$/.exec(page.sent.at(-1)!.init.body as string)![1]!;
    assert.ok(texts(after).startsWith(`${texts(before)},`));
    assert.deepEqual(first(after.sent[0]!.body.callbacks), [1, { half: '\ufffd', big: '7' }, 3]);
    assert.equal(storage.entries.size, 0);
  });

  test(`${script}: what an earlier page left goes before what came while the token was fetched`, async () => {
    const storage = sessionStorage();
    const before = await Page.load({ script, storage, answer: unreachable });
    before.bridge().onClose('before');
    await settled();
    const after = await Page.load({ script, storage });
    after.clock.now = before.clock.now + 1000;
    let give!: (token: string) => void;
    after.bridge({ token: () => new Promise((resolve) => (give = resolve)) }).onClose('after');
    await settled();
    give(jwt('user-1'));
    await settled();
    assert.deepEqual(after.sent.map(({ body }) => first(body.callbacks)), [['before', 'after']]);
  });

  test(`${script}: another user's and another relay's queue is left alone`, async () => {
    const storage = sessionStorage();
    const before = await Page.load({ script, storage, answer: unreachable });
    before.bridge({ token: jwt('user-1') }).onClose('1');
    before.bridge({ token: jwt('user-2') }).onClose('2');
    before.bridge({ token: jwt('user-2'), url: 'https://other.example' }).onClose('other');
    await settled();
    const after = await Page.load({ script, storage });
    after.bridge({ token: jwt('user-2') });
    await settled();
    await after.happen('pagehide');
    assert.deepEqual(after.sent.map(({ body }) => first(body.callbacks)), [['2']]);
    assert.equal(after.beacons.length, 0);
    assert.equal(storage.entries.size, 2);
  });

  test(`${script}: works without storage, with one that throws, and with a full one`, async () => {
    const full = { ...sessionStorage(), length: 0, setItem() { throw new Error('quota'); } };
    const fail = () => { throw new Error('broken'); };
    const broken = { get length(): number { return fail(); }, setItem: fail, removeItem: fail };
    for (const storage of [null, full, broken, () => { throw new Error('sandboxed'); }]) {
      const page = await Page.load({ script, storage, answer: unreachable });
      const { onClose } = page.bridge();
      onClose(1);
      await settled();
      onClose(2);
      page.answer = stored;
      await page.clock.pass(2000);
      assert.deepEqual(first(page.sent.at(-1)!.body.callbacks), [1, 2]);
      await page.clock.pass(200_000);
      assert.deepEqual([page.sent.length, page.codes], [2, ['unreachable']]);
    }
  });

  test(`${script}: leaves the page's own entries alone, and throws damaged ones of its own away`, async () => {
    const storage = sessionStorage();
    const before = await Page.load({ script, storage, answer: unreachable });
    before.bridge().onClose();
    await settled();
    const [key] = storage.entries.keys() as Iterable<string> as [string];
    const good = storage.entries.get(key)!;
    storage.entries.set('cart', 'not JSON');
    storage.entries.set(key.replace(/[0-9a-f]{12}/, '000000000000'), good);
    storage.entries.set(key.replace(/[0-9a-f]{12}/, '000000000001'), good.slice(1));
    storage.entries.set('smile-relay ', 'null');
    const after = await Page.load({ script, storage });
    after.bridge();
    await settled();
    assert.deepEqual(after.names, [['onClose']]);
    assert.deepEqual([...storage.entries], [['cart', 'not JSON']]);
  });

  test(`${script}: keeps 200: the oldest UI events go first, then the oldest`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: unreachable });
    const { onClose, onUIEvent } = page.bridge();
    onClose('oldest');
    onUIEvent({ ...uiEvent, eventName: 'first' });
    onUIEvent({ ...uiEvent, eventName: 'second' });
    for (let time = 0; time < 198; time++) onClose(time);
    const names = () => [...storage.entries.values()].map((text) => JSON.parse(text).arguments[0].eventName).filter(Boolean);
    assert.deepEqual([storage.entries.size, names(), page.codes], [200, ['second'], ['queue_full']]);
    onClose(198);
    assert.deepEqual([storage.entries.size, names()], [200, []]);
    onClose(199);
    onUIEvent(uiEvent);
    const kept = [...storage.entries.values()].map((text) => JSON.parse(text).arguments[0]);
    assert.deepEqual(kept, Array.from({ length: 200 }, (_, index) => index), 'the only UI event is the oldest one');
    await settled();
    assert.deepEqual(page.codes, ['queue_full', 'unreachable']);
  });

  test(`${script}: keeps 256 KiB`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: unreachable });
    const { onClose } = page.bridge();
    for (let time = 0; time < 20; time++) onClose([time, 'ß'.repeat(10_000)]);
    const kept = [...storage.entries.values()];
    assert.deepEqual(kept.map((text) => JSON.parse(text).arguments[0][0]), [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    const bytes = kept.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    assert.ok(bytes <= 262_144 && bytes > 262_144 - 20_300, `${bytes}`);
    await settled();
  });

  test(`${script}: frames that share a tab's storage lose nothing to each other`, async () => {
    const storage = sessionStorage();
    const above = await Page.load({ script, storage, answer: unreachable });
    const frame = await Page.load({ script, storage, answer: unreachable, clock: above.clock });
    const callbacks = { above: above.bridge(), frame: frame.bridge() };
    callbacks.above.onClose('above');
    callbacks.frame.onClose('frame');
    await settled();
    assert.equal(storage.entries.size, 2);
    above.answer = frame.answer = stored;
    await above.clock.pass(5000);
    const sent = [...above.sent, ...frame.sent].flatMap(({ body }) => first(body.callbacks));
    assert.deepEqual(new Set(sent), new Set(['above', 'frame']));
    assert.equal(storage.entries.size, 0);
  });

  test(`${script}: what a frame left when it was removed, the page sends`, async () => {
    const storage = sessionStorage();
    const above = await Page.load({ script, storage });
    above.bridge();
    const frame = await Page.load({ script, storage, answer: () => new Promise(() => {}) });
    frame.bridge().onClose('frame');
    await settled();
    await above.happen('online');
    assert.deepEqual(above.sent.map(({ body }) => first(body.callbacks)), [['frame']]);
    assert.equal(storage.entries.size, 0);
  });

  test(`${script}: a page that empties the storage loses nothing that it still has in memory`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: unreachable });
    page.bridge().onClose();
    await settled();
    storage.entries.clear();
    page.answer = stored;
    await page.clock.pass(2000);
    assert.deepEqual(page.names, [['onClose'], ['onClose']]);
  });

  test(`${script}: what was dropped while on its way stays dropped`, async () => {
    const answer = later();
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: answer.answer });
    const { onClose } = page.bridge();
    onClose('first');
    await settled();
    for (let time = 0; time < 200; time++) onClose(time);
    page.answer = stored;
    await answer.give(stored());
    assert.equal(page.sent.flatMap(({ body }) => body.callbacks).length, 201);
    assert.equal(storage.entries.size, 0);
  });
}
