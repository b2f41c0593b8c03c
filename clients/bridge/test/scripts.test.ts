import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { settled } from './clock';
import { Page } from './page';

const read = (name: string) => readFileSync(new URL(`../dist/${name}`, import.meta.url), 'utf8');

for (const name of ['bridge.js', 'bridge.global.js', 'bridge.d.ts']) {
  test(`${name} is under 4,096 bytes, gzipped`, (t) => {
    const bytes = gzipSync(read(name), { level: 9 }).length;
    t.diagnostic(`${name}: ${bytes} bytes with gzip -9`);
    assert.ok(bytes < 4096, `${bytes} bytes`);
  });
}

test('the module exports relayCallbacks and nothing else, and needs no browser to be imported', () => {
  // As where a page is rendered on a server: nothing is relayed, nothing said, and the page's own works.
  const program = `
    import * as bridge from 'smile-relay-bridge';
    const callbacks = bridge.relayCallbacks({ url: 'https://relay.example', token: 'x', onClose: () => 'mine' });
    console.log(JSON.stringify([Object.keys(bridge), callbacks.onClose()]));`;
  const cwd = new URL('..', import.meta.url);
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { cwd, encoding: 'utf8' });
  assert.deepEqual(JSON.parse(output), [['relayCallbacks'], 'mine']);
});

test('the plain script works without what Android WebView 70 lacks', async () => {
  const page = await Page.load({ script: 'bridge.global.js', globals: { AbortController: undefined } });
  const old = vm.runInContext(
    `delete globalThis.globalThis;
     for (const [object, names] of [
       [Object, ['fromEntries', 'hasOwn']],
       [Array.prototype, ['at', 'findLast', 'toSorted', 'flat', 'flatMap']],
       [String.prototype, ['at', 'matchAll', 'replaceAll', 'isWellFormed', 'toWellFormed', 'trimEnd']],
       [Promise, ['allSettled', 'any', 'withResolvers']],
       [this, ['queueMicrotask', 'structuredClone', 'WeakRef']],
     ]) for (const name of names) delete object[name];
     delete self.SmileRelay;
     typeof globalThis`,
    page.realm,
  );
  assert.equal(old, 'undefined');
  vm.runInContext(read('bridge.global.js'), page.realm);
  page.relayCallbacks = vm.runInContext('SmileRelay.relayCallbacks', page.realm);
  page.bridge().onClose({ reason: 'exit' });
  await settled();
  assert.deepEqual(page.names, [['onClose']]);
});

test('the plain script has only syntax of ES2018, and leaves one global', async () => {
  // Catch without a binding, ?., ??, class fields, BigInt literals and numeric separators are younger.
  assert.doesNotMatch(read('bridge.global.js'), /catch\{|\?\.[^\d]|\?\?|\d_\d|\b\d+n\b|import\(|#\w+[=;(]/);
  const page = await Page.load({ script: 'bridge.global.js' });
  const before = new Set([...Object.keys(page.realm), 'SmileRelay']);
  vm.runInContext(read('bridge.global.js'), page.realm);
  assert.deepEqual(Object.keys(page.realm).filter((key) => !before.has(key)), []);
});

test('the plain script leaves what else is in SmileRelay', async () => {
  const page = await Page.load({ script: 'bridge.global.js', globals: { SmileRelay: { other: 1 } } });
  assert.deepEqual(vm.runInContext('Object.keys(SmileRelay).join()', page.realm), 'other,relayCallbacks');
});
