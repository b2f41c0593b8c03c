import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata, status as Code } from '@grpc/grpc-js';
import { MessageTooLargeError, RefusedError } from '../src/index.js';
import { judge } from '../src/status.js';
import { relayStatus } from './status-trailer.js';

const circumstances = { asked: 'c-1', hasTokenFile: false };
const bare = (code: Code) => ({ code, details: 'told', metadata: new Metadata() });

test('tries again what may pass', () => {
  for (const name of ['OK', 'UNAVAILABLE', 'UNKNOWN', 'INTERNAL', 'ABORTED', 'CANCELLED', 'DEADLINE_EXCEEDED'] as const) {
    assert.deepEqual(judge(bare(Code[name]), circumstances), {
      kind: 'retry',
      failure: { code: name, reason: '', message: 'told' },
      atLeastMs: 0,
    });
  }
});

test('keeps to the delay that the relay asks for', () => {
  const verdict = judge(relayStatus(Code.UNAVAILABLE, 'bye', { reason: 'DRAINING', retryMs: 1500 }), circumstances);
  assert.deepEqual(verdict, {
    kind: 'retry',
    failure: { code: 'UNAVAILABLE', reason: 'DRAINING', message: 'bye' },
    atLeastMs: 1500,
  });
});

test('comes back to a relay that has too many streams', () => {
  const verdict = judge(relayStatus(Code.RESOURCE_EXHAUSTED, 'full', { reason: 'TOO_MANY_STREAMS' }), circumstances);
  assert.equal(verdict.kind, 'retry');
});

test('takes the codes without a reason of the relay for a message over the limit', () => {
  for (const status of [
    bare(Code.RESOURCE_EXHAUSTED),
    bare(Code.OUT_OF_RANGE),
    relayStatus(Code.RESOURCE_EXHAUSTED, 'quota', { reason: 'RATE_LIMIT_EXCEEDED', domain: 'proxy.example' }),
  ]) {
    const verdict = judge(status, circumstances);
    assert.ok(verdict.kind === 'final' && verdict.error instanceof MessageTooLargeError);
    assert.match(verdict.error.message, /raise maxEventBytes/);
  }
});

test('lets the application decide about gaps', () => {
  const cursors = { earliest_cursor: 'c-5', latest_cursor: 'c-9' };
  const expired = relayStatus(Code.OUT_OF_RANGE, 'gone', { reason: 'CURSOR_EXPIRED', cursors });
  assert.deepEqual(judge(expired, circumstances), {
    kind: 'gap',
    gap: { reason: 'CURSOR_EXPIRED', message: 'gone', asked: 'c-1', earliestCursor: 'c-5', latestCursor: 'c-9' },
  });
  for (const reason of ['CURSOR_FOREIGN_LOG', 'CURSOR_DIVERGED', 'CURSOR_AHEAD']) {
    const verdict = judge(relayStatus(Code.FAILED_PRECONDITION, 'other', { reason }), circumstances);
    assert.deepEqual(verdict, { kind: 'gap', gap: { reason, message: 'other', asked: 'c-1' } });
  }
});

test('trusts a reason only of the relay', () => {
  const status = relayStatus(Code.FAILED_PRECONDITION, 'no', { reason: 'CURSOR_AHEAD', domain: 'proxy.example' });
  assert.equal(judge(status, circumstances).kind, 'final');
});

test('tries a refused token again only if it can be replaced', () => {
  assert.equal(judge(bare(Code.UNAUTHENTICATED), circumstances).kind, 'final');
  assert.equal(judge(bare(Code.UNAUTHENTICATED), { asked: '', hasTokenFile: true }).kind, 'retry');
});

test('ends with everything else, saying code, reason and message', () => {
  const names = ['INVALID_ARGUMENT', 'PERMISSION_DENIED', 'NOT_FOUND', 'UNIMPLEMENTED', 'FAILED_PRECONDITION'] as const;
  for (const name of names) {
    const verdict = judge(relayStatus(Code[name], 'told', { reason: 'WHY' }), circumstances);
    assert.ok(verdict.kind === 'final' && verdict.error instanceof RefusedError);
    assert.equal(verdict.error.code, name);
    assert.equal(verdict.error.reason, 'WHY');
    assert.ok(verdict.error.message.startsWith(`${name} (WHY): told`));
  }
});

test('tells which fields of a request are wrong', () => {
  const violations = [{ field: 'after_cursor', description: 'it is not a cursor' }];
  const verdict = judge(relayStatus(Code.INVALID_ARGUMENT, 'bad', { violations }), circumstances);
  assert.ok(verdict.kind === 'final');
  assert.deepEqual(verdict.error.violations, violations);
});

test('goes by the code if the details cannot be read', () => {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from([0x1a, 0xff]));
  assert.equal(judge({ code: Code.UNAVAILABLE, details: '', metadata }, circumstances).kind, 'retry');
});
