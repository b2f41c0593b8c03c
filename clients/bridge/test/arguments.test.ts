import assert from 'node:assert/strict';
import { test } from 'node:test';
import vm from 'node:vm';
import { argumentsJson } from '../src/arguments';
import { settled } from './clock';
import { Page, scripts } from './page';

const cycle: Record<string, unknown> = { name: 'cycle' };
cycle.self = cycle;
const shared = { twice: true };
const throwing = {
  before: 1,
  get broken(): never { throw new Error('not to be read'); },
  after: 2,
};
const { proxy: revoked, revoke } = Proxy.revocable({}, {});
revoke();
let deep: object = {};
for (let level = 0; level < 100_000; level++) deep = { deep };

for (const [what, args, json] of [
  ['plain values', ['a', 1, true, null], '["a",1,true,null]'],
  ['undefined within, and none at the end', [undefined, 1, undefined], '[null,1]'],
  ['undefined members', [{ a: undefined, b: 1 }], '[{"b":1}]'],
  ['functions and symbols', [() => 1, Symbol('s'), { f() {} }], '[null,null,{"f":null}]'],
  ['a BigInt', [2n ** 64n], '["18446744073709551616"]'],
  ['what is no number', [NaN, Infinity, -0], '[null,null,0]'],
  ['cycles', [cycle], '[{"name":"cycle","self":null}]'],
  ['what occurs twice, but in no cycle', [shared, [shared]], '[{"twice":true},[{"twice":true}]]'],
  ['getters that throw', [throwing], '[{"before":1,"broken":null,"after":2}]'],
  ['a revoked proxy', [revoked, 1], '[null,1]'],
  ['dates', [new Date(0), new Date(NaN)], '["1970-01-01T00:00:00.000Z",null]'],
  ['a toJSON that throws', [{ toJSON() { throw new Error('no'); } }, 1], '[null,1]'],
  ['holes', [[, 1]], '[[null,1]]'],
  ['an array that is mostly nothing', [new Array(1e9), 1], '[null,1]'],
  ['keys that need care', [JSON.parse('{"__proto__":{"a":1},"\\"":2}')], '[{"__proto__":{"a":1},"\\"":2}]'],
  ['half a surrogate pair', ['\ud83d', '\ud83d\ude00', { '\ude00': 1 }], '["\ufffd","\ud83d\ude00",{"\ufffd":1}]'],
  ['another realm\'s objects', [vm.runInNewContext('({ a: [1, new Date(0)] })')], '[{"a":[1,"1970-01-01T00:00:00.000Z"]}]'],
] as [string, unknown[], string][]) {
  test(`writes down ${what}`, () => assert.equal(argumentsJson(args), json));
}

test('stops at a depth, and at a number of values', () => {
  assert.ok(argumentsJson([deep]).length < 1000);
  // As an element that a framework has tied to its whole page: everything leads to everything.
  const web: Record<string, unknown>[] = Array.from({ length: 100 }, () => ({}));
  for (const node of web) web.forEach((other, index) => (node[`to${index}`] = other));
  assert.ok(argumentsJson(web).length < 1_000_000);
});

for (const script of scripts) {
  test(`${script}: leaves out arguments that are too large, and says so`, async () => {
    const page = await Page.load({ script });
    const order: string[] = [];
    const { onUploadsCreated, onClose } = page.bridge({
      onUploadsCreated: () => order.push('mine'),
      onError: (error) => order.push(error.code),
    });
    onUploadsCreated({ uploads: 'x'.repeat(60_000), userId: 'user-1' });
    onClose({ reason: 'exit' });
    await settled();
    const [large, close] = page.sent[0]!.body.callbacks;
    assert.deepEqual(Object.keys(large!), ['id', 'name', 'occurredAt', 'argumentsOmitted']);
    assert.equal(large!.argumentsOmitted, true);
    assert.deepEqual(close!.arguments, [{ reason: 'exit' }]);
    assert.deepEqual(order, ['mine', 'too_large']);
  });

  test(`${script}: counts bytes, not characters`, async () => {
    const page = await Page.load({ script });
    page.bridge().onClose('ß'.repeat(25_001));
    page.bridge().onClose('s'.repeat(25_001));
    await settled();
    assert.deepEqual(page.sent[0]!.body.callbacks.map(({ argumentsOmitted }) => argumentsOmitted), [true, undefined]);
  });
}
