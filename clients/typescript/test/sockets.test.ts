import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { credentials, type ServiceError, status as Code } from '@grpc/grpc-js';
import { SocketKeeper } from '../src/sockets.js';
import { RelayServiceClient, SubscribeRequest } from '../src/v1.js';
import { FakeRelay } from './fake-relay.js';

const timeout = 20_000;

test('closes the sockets that were opened for it, at once, and no others', { timeout }, async (t) => {
  const relay = await FakeRelay.start(t);
  const path = join(relay.directory, 'silent.sock');
  const server = createServer({ allowHalfOpen: true }).listen(path);
  await once(server, 'listening');
  const keeper = new SocketKeeper();
  let later: Promise<Socket> | undefined;
  const mine = keeper.keep(() => {
    later = new Promise((resolve) => setImmediate(() => resolve(connect(path))));
    return connect(path);
  });
  const mineLater = await later;
  const other = connect(path);
  await once(other, 'connect');

  keeper.destroy();
  const after = connect(path);
  assert.deepEqual([mine, mineLater, other, after].map((socket) => socket?.destroyed), [true, true, false, false]);
  for (const socket of [other, after]) socket.destroy();
  server.close();
});

test('notices the sockets of grpc-js, also when it is settled', { timeout }, async (t) => {
  for (const settled of [false, true]) {
    let arrived = () => {};
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const relay = await FakeRelay.start(t, () => arrived());
    const client = new RelayServiceClient(relay.target, credentials.createInsecure());
    const keeper = new SocketKeeper();
    const call = keeper.keep(() => client.subscribe(SubscribeRequest.fromPartial({})));
    await arrival;
    if (settled) keeper.settle();
    const failure = new Promise<ServiceError>((resolve) => call.once('error', (error) => resolve(error as ServiceError)));
    keeper.destroy();
    assert.equal((await failure).code, Code.UNAVAILABLE);
    client.close();
  }
});
