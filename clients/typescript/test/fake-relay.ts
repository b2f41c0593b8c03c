import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  status as Code,
  type StatusObject,
} from '@grpc/grpc-js';
import {
  Event,
  type GetEventRequest,
  GetEventResponse,
  type GetRelayInfoRequest,
  GetRelayInfoResponse,
  RelayServiceService,
  type SubscribeRequest,
  SubscribeResponse,
} from '../src/v1.js';
import { durationFromMs } from '../src/time.js';

export type Call = ServerWritableStream<SubscribeRequest, SubscribeResponse>;

/** What the relay does with a Subscribe call. */
export type Scene = (call: Call) => void;

/** A relay in this process, on a Unix socket, that plays one scene per Subscribe call, and the last one ever after. */
export class FakeRelay {
  readonly directory: string;
  readonly target: string;
  readonly requests: SubscribeRequest[] = [];
  readonly metadata: Metadata[] = [];
  /** Answers GetEvent: an event, or a status. */
  getEvent: (request: GetEventRequest) => Event | StatusObject = () => ({ ...unimplemented });

  private constructor(directory: string) {
    this.directory = directory;
    this.target = `unix:${join(directory, 'relay.sock')}`;
  }

  static async start(t: TestContext, ...scenes: Scene[]): Promise<FakeRelay> {
    const relay = new FakeRelay(await mkdtemp(join(tmpdir(), 'relay-')));
    const server = new Server();
    server.addService(RelayServiceService, {
      subscribe: (call: Call) => {
        relay.metadata.push(call.metadata);
        scenes[Math.min(relay.requests.push(call.request), scenes.length) - 1]?.(call);
      },
      getEvent: ({ request }: { request: GetEventRequest }, answer: Answer<GetEventResponse>) => {
        const found = relay.getEvent(request);
        if ('code' in found) answer(found);
        else answer(null, GetEventResponse.fromPartial({ event: found }));
      },
      getRelayInfo: (_call: { request: GetRelayInfoRequest }, answer: Answer<GetRelayInfoResponse>) =>
        answer(null, GetRelayInfoResponse.fromPartial({})),
      listEvents: (_call: unknown, answer: Answer<never>) => answer({ ...unimplemented }),
    });
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(relay.target, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())),
    );
    t.after(async () => {
      server.forceShutdown();
      await rm(relay.directory, { recursive: true });
    });
    return relay;
  }

  /** Where each request began: a cursor, a position's number, or a time. */
  get starts(): unknown[] {
    return this.requests.map(({ start }) => start?.value);
  }
}

type Answer<T> = (error: Partial<StatusObject> | null, response?: T) => void;

const unimplemented = { code: Code.UNIMPLEMENTED, details: 'not in this play' } as StatusObject;

export function event(n: number, fields: Partial<Event> = {}): Event {
  return { ...Event.fromPartial({ id: `id-${n}`, sequence: BigInt(n), cursor: `e-${n}` }), ...fields };
}

export function send(call: Call, ...events: Event[]): void {
  call.write(SubscribeResponse.fromPartial({ events }));
}

export function sendCheckpoint(call: Call, cursor: string, heartbeatMs = 15_000, ...events: Event[]): void {
  const heartbeatInterval = durationFromMs(heartbeatMs);
  call.write(SubscribeResponse.fromPartial({ events, checkpoint: { cursor, heartbeatInterval } }));
}

export function fail(call: Call, status: Partial<StatusObject>): void {
  call.emit('error', status);
}

export const unavailable = { code: Code.UNAVAILABLE, details: 'away' };

/** Resolves when the client has ended the call. */
export async function cancelled(call: Call): Promise<void> {
  if (!call.cancelled) await once(call, 'cancelled');
}
