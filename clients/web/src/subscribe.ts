/** Keeps a stream of events alive: opens it, resumes where it was, notices dead connections, tells of gaps. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { type Client, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { delayMs } from './backoff';
import type { Event } from './generated/smilerelay/v1/event_pb';
import { RelayService, StartPosition, type SubscribeRequestSchema } from './generated/smilerelay/v1/service_pb';
import type { Place } from './place';
import { SilenceWatch } from './silence';
import { type Failure, type Gap, judge, textOf, type Verdict } from './status';

/** How long the first message of a stream may take, connecting included, if two heartbeat intervals are shorter. */
const firstMessageMs = 10_000;

/** What happens to the stream. */
export type State =
  /** Messages come. `isCaughtUp`: there was nothing further in the log when the last checkpoint was made. */
  | { kind: 'connected'; isCaughtUp: boolean }
  /** It is over, and opened again after the delay. `wasOpen`: a message had come. */
  | { kind: 'lost'; failure: Failure; wasOpen: boolean; delayMs: number };

export interface Options {
  transport: Transport;
  /** Holds the cursor to resume from. Saved after each event, and at checkpoints. */
  place: Place;
  /** Where to begin if the place is not known yet: at the oldest event, or with what comes from now on. */
  start: 'earliest' | 'latest';
  /** The relay is asked not to be silent for longer; after twice this the stream is dead. 1 s to 5 min. */
  heartbeatMs: number;
  /** Ends the subscription. */
  signal: AbortSignal;
  /** Is given the events in order. May be given one again that it threw for, or that was cut off from its cursor. */
  onEvent(event: Event): void;
  onState(state: State): void;
  /** Decides where to go on when events are missing, or the log is another one. */
  onGap(gap: Gap): Promise<'earliest' | 'latest' | 'stop'>;
}

/** The relay refused, and would again; or events are missing, and the decision was to stop. */
export class SubscriptionEnded extends Error {}

/**
 * Resolves when `signal` is aborted. Rejects with a SubscriptionEnded, or with what a callback threw. All else is tried
 * again for as long as it takes.
 */
export async function subscribe(options: Options): Promise<void> {
  await new Subscription(options).run();
}

class Subscription {
  readonly #options: Options;
  readonly #client: Client<typeof RelayService>;
  /** After what to resume; without it, `#start` says where to begin. */
  #cursor: string | undefined;
  #start: Options['start'];
  /** Failures in a row. */
  #failures = 0;

  constructor(options: Options) {
    this.#options = options;
    this.#client = createClient(RelayService, options.transport);
    this.#cursor = options.place.load();
    this.#start = options.start;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      const verdict = await this.#readStream();
      // A stream that ends because it was told to says nothing of the relay.
      if (!signal.aborted) await this.#follow(verdict);
    }
  }

  /** Opens a stream and hands its events on. Returns why it is over. */
  async #readStream(): Promise<Verdict & { wasOpen: boolean }> {
    const { signal, heartbeatMs, onEvent, onState } = this.#options;
    let wasOpen = false;
    let isCaughtUp = false;
    let isDead = false;
    let patienceMs = Math.max(firstMessageMs, 2 * heartbeatMs);
    const stream = new AbortController();
    const silence = new SilenceWatch(() => {
      isDead = true;
      stream.abort();
    });
    try {
      silence.expect(patienceMs);
      const either = AbortSignal.any([signal, stream.signal]);
      for await (const { events, checkpoint } of this.#client.subscribe(this.#request(), { signal: either })) {
        if (either.aborted) break;
        wasOpen = true;
        this.#failures = 0;
        if (checkpoint?.heartbeatInterval) patienceMs = 2 * durationMs(checkpoint.heartbeatInterval);
        silence.expect(patienceMs);
        for (const event of events) {
          onEvent(event);
          this.#keep(event.cursor);
        }
        if (checkpoint) {
          this.#keep(checkpoint.cursor);
          isCaughtUp = checkpoint.caughtUp;
        }
        onState({ kind: 'connected', isCaughtUp });
      }
      const failure = { code: 'Ok', reason: '', message: 'the stream ended' };
      if (!isDead) return { kind: 'retry', failure, atLeastMs: 0, wasOpen };
    } catch (error) {
      // What the callbacks throw is none of the stream's.
      if (!(error instanceof ConnectError)) throw error;
      if (!isDead) return { ...judge(error), wasOpen };
    } finally {
      silence.stop();
      stream.abort();
    }
    const failure = { code: 'Dead', reason: '', message: `nothing was received for ${patienceMs / 1000} s` };
    return { kind: 'retry', failure, atLeastMs: 0, wasOpen };
  }

  #request(): MessageInitShape<typeof SubscribeRequestSchema> {
    const position = this.#start === 'earliest' ? StartPosition.EARLIEST : StartPosition.LATEST;
    return {
      start:
        this.#cursor === undefined
          ? { case: 'position', value: position }
          : { case: 'afterCursor', value: this.#cursor },
      heartbeatInterval: durationFromMs(this.#options.heartbeatMs),
      consumer: 'web-example',
    };
  }

  #keep(cursor: string): void {
    this.#cursor = cursor;
    this.#options.place.save(cursor);
  }

  /** Does what the verdict says. */
  async #follow(verdict: Verdict & { wasOpen: boolean }): Promise<void> {
    const { onState, signal } = this.#options;
    this.#failures += 1;
    switch (verdict.kind) {
      case 'final':
        throw new SubscriptionEnded(textOf(verdict.failure));
      case 'gap':
        await this.#decide(verdict.gap);
        // A decision that leads to a gap again is not to be tried without a pause.
        if (this.#failures > 1) await pause(delayMs(this.#failures - 1), signal);
        break;
      case 'retry': {
        const { failure, wasOpen } = verdict;
        const delay = delayMs(this.#failures, verdict.atLeastMs);
        onState({ kind: 'lost', failure, wasOpen, delayMs: delay });
        await pause(delay, signal);
      }
    }
  }

  async #decide(gap: Gap): Promise<void> {
    const decision = await this.#options.onGap(gap);
    if (decision === 'stop') throw new SubscriptionEnded(`${gap.reason}: ${gap.message}`);
    this.#start = decision;
    // What comes in while people decide is not to be skipped.
    this.#cursor = decision === 'latest' ? gap.latestCursor : undefined;
  }
}

/** Waits so long, or until the signal is aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
