import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { settled } from './clock';
import { later, Page, refused, scripts, sessionStorage, stored, unreachable } from './page';

/** What waits in a tab's storage. */
const left = (storage: ReturnType<typeof sessionStorage>) => [...storage.entries.values()].map((text) => JSON.parse(text).name);

for (const script of scripts) {
  test(`${script}: one fetch at a time, and what comes meanwhile goes next`, async () => {
    const first = later();
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: first.answer });
    const { onClose, onTokenExpired, onAccountCreated } = page.bridge();
    onClose();
    await settled();
    onTokenExpired();
    await settled();
    await page.happen('online');
    assert.deepEqual(page.names, [['onClose']]);
    page.answer = stored;
    await first.give(stored());
    assert.deepEqual(page.names, [['onClose'], ['onTokenExpired']]);
    onAccountCreated({ accountId: 'a', userId: 'u', providerId: 'p' });
    await settled();
    assert.equal(page.sent.length, 3);
    assert.equal(page.mostInFlight, 1);
    assert.deepEqual(left(storage), []);
  });

  test(`${script}: nothing is left behind that comes just as the sending comes to rest`, async () => {
    const atOnce = { status: 200, headers: { get: () => null }, text: async () => '{"status":"stored"}' } as unknown as Response;
    for (let turns = 0; turns < 60; turns++) {
      const storage = sessionStorage();
      const page = await Page.load({ script, storage, answer: () => atOnce });
      const { onClose, onTokenExpired } = page.bridge();
      await settled();
      onClose();
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      onTokenExpired();
      await settled();
      assert.deepEqual([page.names.flat(), storage.entries.size], [['onClose', 'onTokenExpired'], 0], `after ${turns} turns`);
    }
  });

  test(`${script}: batches of 50, and of 60,000 bytes`, async () => {
    const page = await Page.load({ script });
    const { onClose, onTokenExpired } = page.bridge();
    for (let time = 0; time < 120; time++) onTokenExpired();
    await settled();
    assert.deepEqual(page.sent.map(({ body }) => body.callbacks.length), [50, 50, 20]);
    for (let time = 0; time < 6; time++) onClose('x'.repeat(24_000));
    await settled();
    assert.deepEqual(page.sent.slice(3).map(({ body }) => body.callbacks.length), [2, 2, 2]);
    for (const { init } of page.sent) assert.ok((init.body as string).length <= 60_000);
  });

  test(`${script}: 200 from somebody else is no success`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage, answer: () => new Response('<h1>Sign in to the Wi-Fi</h1>') });
    page.bridge().onClose();
    await settled();
    assert.deepEqual([page.codes, left(storage)], [['http_200'], ['onClose']]);
    page.answer = stored;
    await page.clock.pass(2000);
    assert.deepEqual(left(storage), []);
  });

  for (const [answer, code] of [
    [unreachable, 'unreachable'],
    [() => refused(503, 'unavailable'), 'unavailable'],
    [() => refused(408, 'too_slow'), 'too_slow'],
    [() => refused(429, 'rate_limited'), 'rate_limited'],
    [() => refused(500, 'internal'), 'internal'],
    [() => new Response('<h1>Bad gateway</h1>', { status: 502 }), 'http_502'],
    [() => new Response('Forbidden by the firewall', { status: 403 }), 'http_403'],
    [() => new Response('null', { status: 500 }), 'http_500'],
  ] as const) {
    test(`${script}: tries again after ${code}, with the same text, told once`, async () => {
      const page = await Page.load({ script, answer });
      page.bridge().onClose('exit');
      for (const wait of [1500, 3000, 6000, 12_000, 24_000, 45_000, 45_000]) {
        await settled();
        assert.equal(page.clock.nextMs, wait, 'the middle of the range');
        await page.clock.pass(wait);
      }
      page.answer = stored;
      await page.clock.pass(60_000);
      assert.equal(page.sent.length, 9);
      assert.equal(new Set(page.sent.map(({ init }) => init.body)).size, 1);
      assert.deepEqual(page.codes, [code]);
      assert.equal(page.clock.nextMs, undefined);
      // A success begins the count anew.
      page.answer = unreachable;
      page.bridge().onClose();
      await settled();
      assert.equal(page.clock.nextMs, 1500);
    });
  }

  test(`${script}: the wait is random, between half and the whole`, async () => {
    for (const [random, ms] of [['0', 1000], ['0.999999', 2000]] as const) {
      const page = await Page.load({ script, answer: unreachable });
      vm.runInContext(`Math.random = () => ${random}`, page.realm);
      page.bridge().onClose();
      await settled();
      assert.equal(Math.round(page.clock.nextMs!), ms);
    }
  });

  test(`${script}: waits as long as Retry-After says, also when online again; an hour at most`, async () => {
    for (const [retryAfter, ms] of [[7, 7000], [100_000, 3_600_000], [1, 1500]] as const) {
      const page = await Page.load({ script, answer: () => refused(429, 'rate_limited', { retryAfter }) });
      page.bridge().onClose();
      await settled();
      assert.equal(page.clock.nextMs, ms);
      await page.happen('online');
      assert.equal(page.sent.length, 1);
      page.answer = stored;
      await page.clock.pass(ms);
      assert.equal(page.sent.length, 2);
    }
  });

  test(`${script}: sends at once when online, shown, or back from the cache`, async () => {
    for (const happen of [
      (page: Page) => page.happen('online'),
      (page: Page) => page.show('visible'),
      (page: Page) => page.happen('pageshow', { persisted: true }),
    ]) {
      const page = await Page.load({ script, answer: unreachable });
      page.bridge().onClose();
      await settled();
      page.answer = stored;
      await happen(page);
      assert.equal(page.sent.length, 2);
      assert.equal(page.clock.nextMs, undefined, 'the timer is gone');
    }
  });

  test(`${script}: what comes while it waits makes no attempt of its own, and keeps the order`, async () => {
    const page = await Page.load({ script, answer: unreachable });
    const { onClose, onTokenExpired } = page.bridge();
    onClose();
    await settled();
    onTokenExpired();
    await settled();
    assert.equal(page.sent.length, 1);
    page.answer = stored;
    await page.clock.pass(1500);
    assert.deepEqual(page.names, [['onClose'], ['onClose', 'onTokenExpired']]);
  });

  test(`${script}: gives a relay that doesn't answer 30 seconds, and only then tries again`, async () => {
    const page = await Page.load({
      script,
      answer: ({ init: { signal } }) =>
        new Promise((_, reject) => signal!.addEventListener('abort', () => reject(new Error('aborted')))),
    });
    page.bridge().onClose();
    await page.clock.pass(29_999);
    assert.equal(page.inFlight, 1);
    await page.clock.pass(1);
    assert.deepEqual([page.inFlight, page.codes], [0, ['unreachable']]);
    page.answer = stored;
    await page.clock.pass(1500);
    assert.deepEqual([page.sent.length, page.mostInFlight], [2, 1]);
  });

  for (const [status, code] of [[400, 'malformed'], [413, 'too_large']] as const) {
    test(`${script}: ${status} drops the one that can't be taken, and no other`, async () => {
      const storage = sessionStorage();
      const page = await Page.load({ script, storage });
      page.answer = ({ body }) => (body.callbacks.some(({ name }) => name === 'onClose') ? refused(status, code) : stored());
      const { onClose, onTokenExpired, onUIEvent } = page.bridge();
      onTokenExpired();
      onTokenExpired();
      onClose();
      onUIEvent({ eventName: 'LoginPageOpened', eventTime: '', mode: 'SANDBOX' });
      onTokenExpired();
      await settled();
      assert.deepEqual(left(storage), []);
      assert.deepEqual(page.codes, [code]);
      assert.deepEqual(page.names.at(-1), ['onUIEvent', 'onTokenExpired'], 'whole batches again afterwards');
      assert.equal(new Set(page.sent.map(({ init }) => init.body)).size, page.sent.length, 'no batch twice');
    });
  }

  test(`${script}: wrong_user drops the named ones and sends the rest`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage });
    page.answer = ({ body }) => {
      const wrong = body.callbacks.filter(({ name }) => name === 'onAccountCreated');
      return wrong.length ? refused(403, 'wrong_user', { ids: wrong.map(({ id }) => id) }) : stored();
    };
    const { onClose, onAccountCreated, onTokenExpired } = page.bridge();
    onClose();
    onAccountCreated({ accountId: 'a', userId: 'another', providerId: 'p' });
    onTokenExpired();
    await settled();
    assert.deepEqual(page.names, [['onClose', 'onAccountCreated', 'onTokenExpired'], ['onClose', 'onTokenExpired']]);
    assert.deepEqual([page.codes, left(storage)], [['wrong_user'], []]);
  });

  test(`${script}: wrong_user that names none of them ends as well`, async () => {
    const page = await Page.load({ script, answer: () => refused(403, 'wrong_user', { ids: ['something else'] }) });
    const { onClose } = page.bridge();
    onClose();
    onClose();
    await settled();
    assert.deepEqual(page.sent.map(({ body }) => body.callbacks.length), [2, 1, 1]);
  });

  for (const [status, code] of [[403, 'origin_not_allowed'], [404, 'not_found'], [405, 'method_not_allowed']] as const) {
    test(`${script}: ${status} ${code} stops this page, and keeps the queue`, async () => {
      const storage = sessionStorage();
      const page = await Page.load({ script, storage, answer: () => refused(status, code) });
      const { onClose, onTokenExpired } = page.bridge();
      onClose();
      await settled();
      onTokenExpired();
      await page.happen('online');
      await page.happen('pagehide');
      await page.clock.pass(600_000);
      assert.deepEqual([page.sent.length, page.beacons.length, page.codes], [1, 0, [code]]);
      assert.deepEqual(left(storage), ['onClose', 'onTokenExpired']);
    });
  }

  test(`${script}: tells about each kind of trouble once, without token and arguments`, async () => {
    const page = await Page.load({ script, answer: unreachable });
    page.bridge().onClose('very private');
    await page.clock.pass(2000);
    page.answer = () => refused(503, 'unavailable');
    await page.clock.pass(10_000);
    page.answer = unreachable;
    await page.clock.pass(100_000);
    assert.deepEqual(page.codes, ['unreachable', 'unavailable']);
    for (const { message } of page.errors) assert.doesNotMatch(message, /private|eyJ/);
    assert.equal(page.errors[1]!.message, 'smile-relay-bridge: the relay answered 503: because of unavailable. Trying again.');
  });
}
