import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OptionsError } from '../src/index.js';
import { parseTarget } from '../src/target.js';

test('knows what stays on this machine', () => {
  const local = ['127.0.0.1:50051', '127.8.8.8:1', 'localhost:50051', '[::1]:50051', 'unix:/run/relay.sock', 'unix:///r'];
  for (const target of local) assert.equal(parseTarget(target).isLocal, true, target);
  const elsewhere = ['relay.internal:50051', '10.0.0.1:50051', '127.example.com:50051', '[::]:50051', '0.0.0.0:1'];
  for (const target of elsewhere) assert.equal(parseTarget(target).isLocal, false, target);
});

test('gives grpc-js the scheme', () => {
  assert.equal(parseTarget('unix:/run/relay.sock').uri, 'unix:/run/relay.sock');
  assert.equal(parseTarget('ipv4:50051').uri, 'dns:ipv4:50051');
});

test('refuses what is not a target', () => {
  for (const target of ['', 'relay', 'http://relay:50051', 'relay:0', 'relay:70000', '::1:50051', 'unix:', 'unix:relay']) {
    assert.throws(() => parseTarget(target), OptionsError, target);
  }
});
