import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from './clock';
import { jwt, later, Page, refused, scripts, sessionStorage, stored, unreachable } from './page';

for (const script of scripts) {
  test(`${script}: a token that is refused stops the page; the queue is kept for the next token`, async () => {
    for (const code of ['token_expired', 'bad_token']) {
      const storage = sessionStorage();
      const page = await Page.load({ script, storage, answer: () => refused(401, code) });
      page.bridge().onClose();
      await page.clock.pass(600_000);
      assert.deepEqual([page.sent.length, page.codes, storage.entries.size], [1, [code], 1]);
      page.answer = stored;
      page.bridge({ token: jwt('user-1', { fresh: true }) });
      await settled();
      assert.equal(page.sent[1]!.body.token, jwt('user-1', { fresh: true }));
      assert.deepEqual([page.names[1], storage.entries.size], [['onClose'], 0]);
    }
  });

  test(`${script}: a token function is asked at once, and what comes before waits`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage });
    let give!: (token: string) => void;
    let asked = 0;
    const { onClose } = page.bridge({ token: () => (asked++, new Promise((resolve) => (give = resolve))) });
    await settled();
    assert.equal(asked, 1);
    onClose();
    await settled();
    assert.deepEqual([page.sent.length, storage.entries.size], [0, 0], 'nobody knows yet whose it is');
    const answer = later();
    page.answer = answer.answer;
    give(jwt('user-1'));
    await settled();
    assert.deepEqual([page.names, storage.entries.size], [[['onClose']], 1]);
    await answer.give(stored());
    assert.deepEqual([storage.entries.size, asked], [0, 1]);
  });

  test(`${script}: after a 401 the function is asked again, without a word`, async () => {
    const page = await Page.load({ script });
    page.answer = ({ body }) => (body.token === jwt('user-1', { n: 2 }) ? stored() : refused(401, 'token_expired'));
    let asked = 0;
    page.bridge({ token: () => jwt('user-1', { n: ++asked }) }).onClose();
    await settled();
    assert.deepEqual([asked, page.sent.length, page.codes], [2, 2, []]);
  });

  test(`${script}: if new tokens are refused too, it asks ever more slowly`, async () => {
    const page = await Page.load({ script, answer: () => refused(401, 'bad_token') });
    let asked = 0;
    page.bridge({ token: async () => jwt('user-1', { n: ++asked }) }).onClose();
    await page.clock.pass(60_000);
    assert.deepEqual([page.codes, asked], [['bad_token'], 7]);
  });

  test(`${script}: a token function that fails is asked again`, async () => {
    let asked = 0;
    for (const fail of [
      (): string => { throw new Error('sign in'); },
      async (): Promise<string> => { throw new Error('sign in'); },
      () => undefined as never,
    ]) {
      asked = 0;
      const page = await Page.load({ script });
      page.bridge({ token: () => (++asked < 3 ? fail() : jwt('user-1')) }).onClose();
      await page.clock.pass(10_000);
      assert.deepEqual([asked, page.names, page.codes], [3, [['onClose']], ['no_token']]);
    }
  });

  test(`${script}: a token function that never answers is asked again after 30 seconds`, async () => {
    const page = await Page.load({ script });
    let asked = 0;
    page.bridge({ token: () => (++asked === 1 ? new Promise<string>(() => {}) : jwt('user-1')) }).onClose();
    await page.clock.pass(31_500);
    assert.deepEqual([asked, page.names, page.codes], [2, [['onClose']], ['no_token']]);
  });

  test(`${script}: a function that answers for another user sends nothing of the former's`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage });
    page.answer = ({ body }) => (body.token === jwt('user-1') ? refused(401, 'token_expired') : stored());
    let asked = 0;
    const { onClose, onTokenExpired } = page.bridge({ token: () => jwt(`user-${++asked}`) });
    onClose();
    await settled();
    assert.deepEqual([asked, page.sent.length], [2, 1]);
    onTokenExpired();
    await settled();
    assert.deepEqual(page.sent.map(({ body }) => [body.token, body.callbacks.map(({ name }) => name)]), [
      [jwt('user-1'), ['onClose']],
      [jwt('user-2'), ['onTokenExpired']],
    ]);
    assert.equal(storage.entries.size, 1);
    page.answer = stored;
    page.bridge({ token: jwt('user-1', { fresh: true }) });
    await settled();
    assert.deepEqual([page.names[2], storage.entries.size], [['onClose'], 0]);
  });

  test(`${script}: a token that is no JWT works, in memory`, async () => {
    for (const token of ['opaque', 'a.b.c', jwt(''), jwt(7 as never), `a.${btoa('null')}.c`]) {
      const storage = sessionStorage();
      const page = await Page.load({ script, storage, answer: unreachable });
      page.bridge({ token }).onClose();
      await settled();
      assert.equal(storage.entries.size, 0);
      page.answer = stored;
      await page.clock.pass(2000);
      assert.deepEqual(page.names, [['onClose'], ['onClose']]);
    }
  });

  test(`${script}: the next opaque token of a function gets what the first couldn't send`, async () => {
    const page = await Page.load({ script });
    page.answer = ({ body }) => (body.token === 'opaque-2' ? stored() : refused(401, 'token_expired'));
    let asked = 0;
    page.bridge({ token: () => `opaque-${++asked}` }).onClose();
    await settled();
    assert.deepEqual(page.names, [['onClose'], ['onClose']]);
  });

  test(`${script}: calls for the same user share a queue and the latest token; others have their own`, async () => {
    const page = await Page.load({ script, answer: unreachable });
    const first = page.bridge();
    first.onClose(1);
    await settled();
    const listeners = page.listeners;
    const second = page.bridge({ token: jwt('user-1', { fresh: true }) });
    const other = page.bridge({ token: jwt('user-2') });
    await settled();
    page.sent.length = 0;
    page.answer = stored;
    first.onClose(2);
    second.onClose(3);
    other.onClose(4);
    await page.happen('online');
    assert.deepEqual(
      page.sent.map(({ body }) => [body.token, body.callbacks.map((callback) => (callback.arguments as number[])[0])]),
      [[jwt('user-1', { fresh: true }), [1, 2, 3]], [jwt('user-2'), [4]]],
    );
    assert.equal(page.listeners, listeners, 'however often it is called');
  });

  test(`${script}: a refusal of the old token doesn't stop the new one`, async () => {
    const old = later();
    const page = await Page.load({ script, answer: old.answer });
    page.bridge().onClose();
    await settled();
    page.bridge({ token: jwt('user-1', { fresh: true }) });
    page.answer = stored;
    await old.give(refused(401, 'token_expired'));
    assert.deepEqual([page.names, page.codes], [[['onClose'], ['onClose']], []]);
    assert.equal(page.mostInFlight, 1);
  });
}
