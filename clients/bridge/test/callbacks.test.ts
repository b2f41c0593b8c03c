import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled } from './clock';
import { Page, scripts, sessionStorage } from './page';

const nine = [
  'onAccountCreated', 'onAccountConnected', 'onAccountRemoved', 'onAccountError', 'onTokenExpired',
  'onClose', 'onUploadsCreated', 'onUploadsRemoved', 'onUIEvent',
];
const account = { accountId: 'a-1', userId: 'user-1', providerId: 'p-1' };

for (const script of scripts) {
  test(`${script}: gives all nine, and what else the options name`, async () => {
    const page = await Page.load({ script });
    const callbacks = page.bridge({ onSomethingNew: () => 1, on: () => 1, onset: () => 1, onData: undefined });
    assert.deepEqual(Object.keys(callbacks), [...nine, 'onSomethingNew']);
    assert.ok(Object.values(callbacks).every((callback) => typeof callback === 'function'));
  });

  test(`${script}: reports each as the widget fired it, in order`, async () => {
    const page = await Page.load({ script });
    const callbacks = page.bridge({ onSomethingNew: () => 1 }) as Record<string, (...args: unknown[]) => unknown>;
    callbacks.onAccountCreated!(account);
    callbacks.onTokenExpired!();
    callbacks.onClose!({ reason: 'exit' });
    callbacks.onClose!('close');
    callbacks.onUIEvent!('{"eventName":"LoginPageOpened"}', undefined, 2, undefined);
    callbacks.onSomethingNew!(null);
    await settled();
    assert.equal(page.sent.length, 1);
    const [{ url, init, body }] = page.sent as [(typeof page.sent)[0]];
    assert.equal(url, 'https://relay.example/callbacks/v1/events');
    assert.deepEqual(
      { method: init.method, keepalive: init.keepalive, credentials: init.credentials, redirect: init.redirect },
      { method: 'POST', keepalive: true, credentials: 'omit', redirect: 'error' },
    );
    assert.equal(init.headers, undefined, 'a header of its own would need a preflight');
    assert.deepEqual(
      body.callbacks.map((callback) => [callback.name, callback.arguments, callback.occurredAt]),
      [
        ['onAccountCreated', [account]],
        ['onTokenExpired', []],
        ['onClose', [{ reason: 'exit' }]],
        ['onClose', ['close']],
        ['onUIEvent', ['{"eventName":"LoginPageOpened"}', null, 2]],
        ['onSomethingNew', [null]],
      ].map((expected) => [...expected, '2026-11-23T21:34:25.123Z']),
    );
  });

  test(`${script}: calls the page's own first, as the widget would, and gives back what it returns`, async () => {
    const storage = sessionStorage();
    const page = await Page.load({ script, storage });
    const seen: unknown[] = [];
    const widget = {
      ...page.bridge({
        onAccountCreated(this: unknown, ...args: unknown[]) {
          seen.push(this, args, storage.entries.size);
          return 'mine';
        },
      }),
    };
    const result = (widget.onAccountCreated as (...args: unknown[]) => unknown)(account, 'more');
    assert.equal(result, 'mine');
    assert.equal(seen[0], widget);
    assert.equal((seen[1] as unknown[])[0], account, 'the very object');
    assert.deepEqual([...(seen[1] as unknown[])], [account, 'more']);
    assert.equal(seen[2], 0, 'not queued before');
    assert.equal(storage.entries.size, 1, 'queued when the widget goes on');
    assert.equal(widget.onTokenExpired(), undefined);
  });

  test(`${script}: reports what the widget passed, though the page's own changes it`, async () => {
    const page = await Page.load({ script });
    page.bridge({ onAccountCreated: (given) => void (given.accountId = 'changed') }).onAccountCreated({ ...account });
    await settled();
    assert.deepEqual(page.sent[0]!.body.callbacks[0]!.arguments, [account]);
  });

  test(`${script}: passes the exception of the page's own on, and reports all the same`, async () => {
    const page = await Page.load({ script });
    const mine = new Error('mine');
    const callbacks = page.bridge({ onClose() { throw mine; } });
    assert.throws(() => callbacks.onClose('exit'), (thrown) => thrown === mine);
    await settled();
    assert.deepEqual(page.names, [['onClose']]);
    assert.deepEqual(page.codes, []);
  });

  test(`${script}: leaves a rejection of the page's own to the page`, async () => {
    const page = await Page.load({ script });
    const mine = Promise.reject(new Error('mine'));
    assert.equal(page.bridge({ onClose: () => mine }).onClose(), mine);
    await assert.rejects(mine, /mine/);
  });

  test(`${script}: relays nothing, tells so, and harms nobody when the options are no use`, async () => {
    for (const options of [{ url: '' }, { url: 'https://' }, { url: undefined }, { token: '' }, { token: 7 }]) {
      const page = await Page.load({ script });
      const callbacks = page.bridge({ ...(options as object), onClose: () => 'mine' });
      assert.equal(callbacks.onClose('exit'), 'mine');
      await settled();
      assert.deepEqual([page.codes, page.sent], [['bad_options'], []]);
    }
    const page = await Page.load({ script });
    const none = page.relayCallbacks as unknown as () => Record<string, () => unknown>;
    assert.equal(none().onClose!(), undefined);
    assert.equal(page.warnings.length, 1);
  });

  test(`${script}: an onError that throws or rejects harms nobody`, async () => {
    for (const onError of [() => { throw new Error('mine'); }, async () => { throw new Error('mine'); }]) {
      const page = await Page.load({ script });
      assert.equal(page.bridge({ url: '', onError }).onClose(), undefined);
      await settled();
    }
  });

  test(`${script}: warns once per kind of trouble where nobody listens`, async () => {
    const page = await Page.load({ script });
    const callbacks = page.bridge({ onError: undefined as never });
    for (let time = 0; time < 3; time++) callbacks.onClose('x'.repeat(60_000));
    await settled();
    assert.deepEqual(page.warnings, ['smile-relay-bridge: the arguments of onClose are too large, and were left out']);
  });

  test(`${script}: takes an origin, a path of its own, and one relative to the page`, async () => {
    for (const [url, endpoint] of [
      ['https://relay.example/', 'https://relay.example/callbacks/v1/events'],
      ['https://relay.example/smile/callbacks/v1/events', 'https://relay.example/smile/callbacks/v1/events'],
      ['/callbacks/v1/events', 'https://shop.example/callbacks/v1/events'],
    ] as const) {
      const page = await Page.load({ script });
      page.bridge({ url }).onClose();
      await settled();
      assert.equal(page.sent[0]!.url, endpoint);
    }
  });
}
