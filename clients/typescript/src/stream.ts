/** One Subscribe call, read message by message. */
import {
  type ClientReadableStream,
  InterceptingCall,
  type Interceptor,
  type Metadata,
  status as Code,
} from '@grpc/grpc-js';
import { CallFailed } from './call-failed.js';
import type { RelayServiceClient, SubscribeRequest, SubscribeResponse } from './generated/smilerelay/v1/service.js';
import { SilenceWatch } from './silence.js';
import { durationToMs } from './time.js';

/** Nothing was received for too long. */
export class StreamDead extends Error {}

/**
 * A stream of messages that reads one message ahead and no more.
 *
 * The readable stream that grpc-js makes would decode and keep 16 messages, of several MiB each, while a handler works.
 * So an interceptor holds the message back on its way there until it is taken; grpc-js asks for the next one only then,
 * and what has not been asked for stays with the relay by HTTP/2 flow control (but for a window of 256 KiB).
 */
export class ResponseStream {
  readonly #call: ClientReadableStream<SubscribeResponse>;
  readonly #silence: SilenceWatch;
  #patienceMs: number;
  #held: { message: SubscribeResponse; askForNext: () => void } | undefined;
  #end: { error?: Error } | undefined;
  #wake: () => void = () => {};

  /** @param patienceMs how long the first message may take; then two heartbeat intervals, as the relay states them. */
  constructor(client: RelayServiceClient, request: SubscribeRequest, metadata: Metadata, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#silence = new SilenceWatch((ms) => {
      this.#finish({ error: new StreamDead(`nothing was received for ${ms / 1000} s`) });
      this.#call.cancel();
    });
    const holdBack: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (headers, _listener, next) =>
          next(headers, {
            onReceiveMessage: (message, pass) => this.#receive(message as SubscribeResponse, () => pass(message)),
            onReceiveStatus: (status, pass) => {
              this.#finish(status.code === Code.OK ? {} : { error: new CallFailed(status) });
              pass(status);
            },
          }),
      });
    this.#call = client.subscribe(request, metadata, { interceptors: [holdBack] });
    this.#call.on('error', () => {}); // The interceptor has the status already.
    this.#call.resume(); // Nobody listens to it: what passes the interceptor is done with.
  }

  /** The next message, or undefined when the stream has ended with OK or was cancelled. */
  async next(): Promise<SubscribeResponse | undefined> {
    // Only now: while a handler was at work, nobody waited for the relay.
    if (!this.#held && !this.#end) this.#silence.start(this.#patienceMs);
    while (!this.#held && !this.#end) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#held) {
      const { message, askForNext } = this.#held;
      this.#held = undefined;
      askForNext();
      return message;
    }
    if (this.#end?.error) throw this.#end.error;
    return undefined;
  }

  /** Ends the stream now; what was read ahead is dropped. */
  cancel(): void {
    this.#finish({});
    this.#held = undefined;
    this.#call.cancel();
  }

  #receive(message: SubscribeResponse, askForNext: () => void): void {
    this.#silence.stop();
    if (this.#end) return;
    const interval = message.checkpoint?.heartbeatInterval;
    if (interval) this.#patienceMs = 2 * durationToMs(interval);
    this.#held = { message, askForNext };
    this.#wake();
  }

  #finish(end: { error?: Error }): void {
    this.#silence.stop();
    this.#end ??= end;
    this.#wake();
  }
}
