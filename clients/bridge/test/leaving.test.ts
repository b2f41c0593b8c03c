import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from './clock';
import { jwt, later, Page, refused, scripts, sessionStorage, stored, unreachable } from './page';

for (const script of scripts) {
  test(`${script}: a page that goes sends what waits by a beacon, and keeps it`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: unreachable });
    const { onClose, onTokenExpired } = page.bridge();
    onClose('exit');
    onTokenExpired();
    await settled();
    await page.happen('pagehide');
    assert.equal(page.beacons.length, 1);
    assert.equal(page.beacons[0]!.url, 'https://relay.example/callbacks/v1/events');
    assert.equal(page.beacons[0]!.init.body, page.sent[0]!.init.body, 'the same bytes as by fetch');
    assert.equal(storage.entries.size, 2);
  });

  test(`${script}: so does one that is hidden, and once only if it then goes`, async () => {
    const page = await Page.load({ script, answer: unreachable });
    const { onClose, onTokenExpired } = page.bridge();
    onClose();
    await page.show('hidden');
    await page.happen('pagehide');
    assert.deepEqual(page.beacons.map(({ body }) => body.callbacks.length), [1]);
    onTokenExpired();
    await page.happen('pagehide');
    assert.deepEqual(page.beacons.map(({ body }) => body.callbacks.length), [1, 2]);
    await page.show('visible');
    await page.show('hidden');
    assert.equal(page.beacons.length, 3, 'seen in between: another try');
  });

  test(`${script}: repeats what is on its way, and goes on when the page comes back`, async () => {
    const answer = later();
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: answer.answer });
    const { onClose, onTokenExpired } = page.bridge();
    onClose();
    await settled();
    onTokenExpired();
    await page.happen('pagehide', { persisted: true });
    assert.deepEqual(page.beacons[0]!.body.callbacks.map(({ name }) => name), ['onClose', 'onTokenExpired']);
    page.answer = stored;
    await answer.fail();
    await page.happen('pageshow', { persisted: true });
    assert.deepEqual(page.names, [['onClose'], ['onClose', 'onTokenExpired']]);
    assert.deepEqual(page.sent[1]!.body.callbacks, page.beacons[0]!.body.callbacks, 'with the same ids');
    assert.deepEqual([storage.entries.size, page.mostInFlight], [0, 1]);
  });

  test(`${script}: a beacon has what may be sent at once; if that is refused, the newer half`, async () => {
    const page = await Page.load({ script, answer: unreachable });
    const { onClose } = page.bridge();
    for (let time = 0; time < 8; time++) onClose([time, 'x'.repeat(10_000)]);
    await settled();
    page.beaconFits = (body) => body.length <= 65_536 - 40_000;
    await page.happen('pagehide');
    const numbers = page.beacons.map(({ body }) => body.callbacks.map((callback) => (callback.arguments as [[number]])[0][0]));
    assert.deepEqual(numbers, [[3, 4]], 'of the five that fit into a batch');
    page.beaconFits = () => true;
    await page.show('visible');
    await page.happen('pagehide');
    assert.ok((page.beacons[1]!.init.body as string).length <= 60_000);
    assert.equal(page.beacons[1]!.body.callbacks.length, 5);
  });

  test(`${script}: nothing to send, no token, a refused one: no beacon`, async () => {
    const idle = await Page.load({ script });
    idle.bridge().onClose();
    await settled();
    const waiting = await Page.load({ script });
    waiting.bridge({ token: () => new Promise(() => {}) }).onClose();
    await settled();
    const stopped = await Page.load({ script, answer: () => refused(401, 'token_expired') });
    stopped.bridge().onClose();
    await settled();
    for (const page of [idle, waiting, stopped]) {
      await page.happen('pagehide');
      assert.equal(page.beacons.length, 0);
    }
  });

  test(`${script}: each user's go with that user's token`, async () => {
    const page = await Page.load({ script, answer: unreachable });
    page.bridge({ token: jwt('user-1') }).onClose(1);
    page.bridge({ token: jwt('user-2') }).onClose(2);
    await page.happen('pagehide');
    assert.deepEqual(
      page.beacons.map(({ body }) => [body.token, body.callbacks.map((callback) => callback.arguments)]),
      [[jwt('user-1'), [[1]]], [jwt('user-2'), [[2]]]],
    );
  });

  test(`${script}: a browser without beacons, or whose beacon throws, harms nobody`, async () => {
    for (const navigator of [{}, { sendBeacon() { throw new Error('no'); } }]) {
      const page = await Page.load({ script, answer: unreachable, globals: { navigator } });
      page.bridge().onClose();
      await page.happen('pagehide');
      page.answer = stored;
      await page.clock.pass(2000);
      assert.equal(page.sent.length, 2);
    }
  });
}
