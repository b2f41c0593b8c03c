import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata, status as Code } from '@grpc/grpc-js';
import { delayMs } from './backoff.js';
import { CallFailed } from './call-failed.js';
import { type Connection, connect } from './connection.js';
import { GapError, OptionsError } from './errors.js';
import { fetchEvent } from './fetch.js';
import type { Gap } from './gap.js';
import { type Event, OmittedReason } from './generated/smilerelay/v1/event.js';
import { StartPosition, SubscribeRequest, type SubscribeResponse } from './generated/smilerelay/v1/service.js';
import { check, type Settings, type SubscribeOptions } from './options.js';
import { Progress } from './progress.js';
import { judge, type Verdict } from './status.js';
import { ResponseStream, StreamDead } from './stream.js';
import { durationFromMs, fromDate } from './time.js';

/** How long the first message of a stream may take, connecting included, if two heartbeat intervals are shorter. */
const firstMessageMs = 10_000;

/**
 * Hands the relay's events to `handler`, one at a time and in order, and keeps the stream alive: it reconnects, resumes
 * after the last handled event, and notices dead connections.
 *
 * Resolves when `signal` is aborted, or with `stopWhenCaughtUp` when all is handled; the last handled cursor is saved
 * then. An abort takes effect at once during a delay or while waiting for events; a handler at work is waited for. If
 * that handler throws because of the abort (the signal's reason, or an AbortError), its event is not kept.
 *
 * Rejects with what the handler, the store, `onGap` or an observer threw, as it is, or with
 * - OptionsError: an option can't be used;
 * - GapError: events are missing, or the log is another one, and `onGap` didn't say how to go on;
 * - MessageTooLargeError: a message is larger than the receive limit;
 * - RefusedError: the relay refused, and would again.
 *
 * Everything else is retried, for as long as it takes, and told to `onLost`.
 */
export async function subscribe(options: SubscribeOptions): Promise<void> {
  await new Subscription(check(options)).run();
}

class Subscription {
  readonly #settings: Settings;
  readonly #progress: Progress;
  /** Where to begin while there is no cursor. */
  #start: Settings['start'];
  /** Failures in a row. */
  #failures = 0;
  /** Whether an omitted event could not be fetched. The stream that it came on is well, but that is no success then. */
  #fetchFailed = false;
  /** Whether the token and the certificates could be read once. */
  #filesWereRead = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#progress = new Progress(settings.store);
    this.#start = settings.start;
  }

  async run(): Promise<void> {
    const { signal } = this.#settings;
    await this.#progress.load();
    try {
      while (!signal.aborted) {
        const verdict = await this.#readStream();
        if (verdict === 'done') break;
        await this.#follow(verdict);
      }
    } catch (error) {
      if (!isAbort(error, signal)) {
        // The first error counts, whatever the store says to this.
        await this.#progress.flush().catch(() => {});
        throw error;
      }
    }
    await this.#progress.flush();
  }

  /** Opens a stream and hands its events on. Returns why it is over, and throws the application's own errors. */
  async #readStream(): Promise<Verdict | 'done'> {
    const { signal, maxEventBytes, heartbeatIntervalMs, stopWhenCaughtUp } = this.#settings;
    const after = this.#progress.cursor ?? '';
    let connection: Connection | undefined;
    let stream: ResponseStream | undefined;
    const cancel = () => stream?.cancel();
    signal.addEventListener('abort', cancel);
    try {
      let metadata;
      ({ connection, metadata } = await this.#connect(maxEventBytes));
      if (signal.aborted) return 'done';
      const patienceMs = Math.max(firstMessageMs, 2 * heartbeatIntervalMs);
      stream = connection.call((client) => new ResponseStream(client, this.#request(), metadata, patienceMs));
      for (let isFirst = true; ; isFirst = false) {
        const response = await stream.next();
        if (!response) break;
        if (!this.#fetchFailed) this.#failures = 0;
        if (isFirst) {
          connection.connected();
          this.#settings.onConnected({ after });
        }
        await this.#handle(response);
      }
      if (signal.aborted || stopWhenCaughtUp) return 'done';
      throw new CallFailed({ code: Code.OK, details: 'the stream ended', metadata: new Metadata() });
    } catch (error) {
      if (error instanceof CallFailed) {
        if (signal.aborted) return 'done';
        const asked = this.#progress.cursor ?? '';
        return judge(error.status, { asked, hasTokenFile: this.#settings.tokenFile !== undefined });
      }
      if (error instanceof StreamDead) {
        return { kind: 'retry', failure: { code: 'DEAD', reason: '', message: error.message }, atLeastMs: 0 };
      }
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      stream?.cancel();
      connection?.close();
    }
  }

  /** Hands on what a message brought, and keeps the place after it. */
  async #handle({ events, checkpoint }: SubscribeResponse): Promise<void> {
    const { signal, handler } = this.#settings;
    for (const event of events) {
      if (signal.aborted) return;
      await handler(await this.#whole(event));
      await this.#progress.handled(event.cursor);
    }
    if (checkpoint) await this.#progress.reached(checkpoint.cursor);
  }

  /** The event, or what it stands for if it was too large and is to be fetched. */
  async #whole(event: Event): Promise<Event> {
    const { fetchOmitted, includeRawBody, signal } = this.#settings;
    if (!fetchOmitted || event.omitted?.reason !== OmittedReason.OMITTED_REASON_TOO_LARGE) return event;
    let connection: Connection | undefined;
    try {
      // grpc-js has its receive limit by the connection, so an event that exceeds the stream's needs another.
      let metadata;
      ({ connection, metadata } = await this.#connect(Number(event.omitted.sizeBytes)));
      const request = { event: { $case: 'cursor', value: event.cursor } as const, includeRawBody };
      const whole = await connection.call((client) => fetchEvent(client, request, metadata, signal));
      this.#fetchFailed = false;
      this.#failures = 0;
      return whole ?? event;
    } catch (error) {
      this.#fetchFailed = true;
      throw error;
    } finally {
      connection?.close();
    }
  }

  /** A connection, and what to send with its call. Files that can't be read are final at first, and retried later. */
  async #connect(maxBytes: number): Promise<{ connection: Connection; metadata: Metadata }> {
    let connection: Connection | undefined;
    try {
      connection = await connect(this.#settings, maxBytes);
      const metadata = await connection.metadata();
      this.#filesWereRead = true;
      return { connection, metadata };
    } catch (error) {
      connection?.close();
      // They may just be being replaced.
      if (!this.#filesWereRead || !(error instanceof OptionsError)) throw error;
      throw new CallFailed({ code: Code.UNAVAILABLE, details: error.message, metadata: new Metadata() });
    }
  }

  #request(): SubscribeRequest {
    const { filter, includeRawBody, stopWhenCaughtUp, heartbeatIntervalMs, consumer, maxEventBytes } = this.#settings;
    return {
      filter,
      start: this.#startOfRequest(),
      includeRawBody,
      stopWhenCaughtUp,
      heartbeatInterval: durationFromMs(heartbeatIntervalMs),
      consumer,
      maxEventBytes,
    };
  }

  #startOfRequest(): NonNullable<SubscribeRequest['start']> {
    if (this.#progress.cursor !== undefined) return { $case: 'afterCursor', value: this.#progress.cursor };
    switch (this.#start) {
      case 'latest':
        return { $case: 'position', value: StartPosition.START_POSITION_LATEST };
      case 'earliest':
        return { $case: 'position', value: StartPosition.START_POSITION_EARLIEST };
      default:
        return { $case: 'receivedSince', value: fromDate(this.#start) };
    }
  }

  /** Does what the verdict says: waits, lets the application decide, or throws what ends the subscription. */
  async #follow(verdict: Verdict): Promise<void> {
    const { backoff, onLost } = this.#settings;
    this.#failures += 1;
    switch (verdict.kind) {
      case 'final':
        throw verdict.error;
      case 'gap':
        await this.#decide(verdict.gap);
        // A decision that leads to a gap again is not to be tried without a pause.
        if (this.#failures > 1) await this.#pause(delayMs(backoff, this.#failures - 1));
        break;
      case 'retry': {
        const delay = delayMs(backoff, this.#failures, verdict.atLeastMs);
        onLost({ ...verdict.failure, delayMs: delay });
        await this.#pause(delay);
      }
    }
  }

  async #decide(gap: Gap): Promise<void> {
    const decision = await this.#settings.onGap(gap);
    if (decision === 'fail') throw new GapError(gap);
    if (typeof decision === 'object') {
      this.#progress.jump(decision.after);
    } else {
      this.#progress.forget();
      this.#start = decision;
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#settings;
    await sleep(ms, undefined, { signal });
  }
}

/** Whether an error says no more than that the signal was aborted. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && error.name === 'AbortError'));
}
