/** What `subscribe` can be told, and what it makes of it. */
import { type Backoff, defaultBackoff } from './backoff.js';
import type { CursorStore } from './cursor-store.js';
import { OptionsError } from './errors.js';
import type { Gap, GapDecision } from './gap.js';
import type { Event } from './generated/smilerelay/v1/event.js';
import { EventFilter } from './generated/smilerelay/v1/service.js';
import type { Failure } from './status.js';
import { parseTarget, type Target } from './target.js';

/** TLS to the relay. */
export interface TlsOptions {
  /** PEM file of the CAs to trust. Default: those of Node, and of NODE_EXTRA_CA_CERTS. */
  caFile?: string | undefined;
  /** PEM file of the client's certificate (and chain). Needs `keyFile`. */
  certFile?: string;
  /** PEM file of the client certificate's key. Needs `certFile`. */
  keyFile?: string;
  /** The name that the relay's certificate has to carry. Default: the target's host. */
  serverName?: string;
}

/** The stream is open: its first message is here. */
export interface Connected {
  /** The cursor that was resumed from; empty if the subscription began at its `start`. */
  after: string;
}

/** The stream is over, and will be opened again. */
export interface Lost extends Failure {
  /** Milliseconds until the next attempt. */
  delayMs: number;
}

export interface SubscribeOptions {
  /** `host:port`, `[IPv6]:port` or `unix:/path`. */
  target: string;
  /**
   * Is given the events, in order, and awaited before the next one. An error that it throws ends the subscription with
   * that error; the event comes again next time. It must not block the event loop for seconds: answers to the relay's
   * pings wait for it.
   */
  handler: (event: Event) => void | Promise<void>;
  /** Keeps the place to resume from: a `FileCursorStore`, a `MemoryCursorStore`, or one of your own. */
  store: CursorStore;
  /** Ends the subscription: it resolves when the handler is done with its event. */
  signal?: AbortSignal;
  /** Which events are wanted. Default: every webhook. */
  filter?: Partial<EventFilter>;
  /** Where to begin if the store is empty: what comes from now on, the oldest event, or a time. Default: `latest`. */
  start?: 'latest' | 'earliest' | Date;
  /** Decides what happens if events are missing. Default: the subscription ends with a `GapError`. */
  onGap?: (gap: Gap) => GapDecision | Promise<GapDecision>;
  /** TLS: `true` with Node's CAs and no client certificate. Default: plaintext. */
  tls?: true | TlsOptions | undefined;
  /** A file with a bearer token, read again for each call. Needs TLS, a loopback address or a Unix socket. */
  tokenFile?: string | undefined;
  /** Deliver the bytes and the signature that Smile sent as well. Default: false. */
  includeRawBody?: boolean;
  /** End when everything is handled that the relay held when the stream was opened. Default: false. */
  stopWhenCaughtUp?: boolean;
  /** Twice this long without a message, and the stream is taken for dead. Milliseconds, 1 s to 5 min. Default: 15,000. */
  heartbeatIntervalMs?: number;
  /** A name for the relay's metrics and logs. Default: none. */
  consumer?: string;
  /** Larger events come with `omitted` set. Bytes, 4,096 or more. Default: 3,145,728 (3 MiB). */
  maxEventBytes?: number;
  /** Fetch events that are larger than `maxEventBytes`, and hand them on whole. Default: false. */
  fetchOmitted?: boolean;
  /** Delays between attempts. Default: 100 ms, doubled up to 10 s. */
  backoff?: Partial<Backoff>;
  /** Is told that the stream is open. */
  onConnected?: (connected: Connected) => void;
  /** Is told that the stream was lost, why, and when it will be opened again. */
  onLost?: (lost: Lost) => void;
}

/** The options, checked and complete. */
export interface Settings {
  target: Target;
  handler: SubscribeOptions['handler'];
  store: CursorStore;
  signal: AbortSignal;
  filter: EventFilter;
  start: 'latest' | 'earliest' | Date;
  onGap: NonNullable<SubscribeOptions['onGap']>;
  tls: TlsOptions | undefined;
  tokenFile: string | undefined;
  includeRawBody: boolean;
  stopWhenCaughtUp: boolean;
  heartbeatIntervalMs: number;
  consumer: string;
  maxEventBytes: number;
  fetchOmitted: boolean;
  backoff: Backoff;
  onConnected: (connected: Connected) => void;
  onLost: (lost: Lost) => void;
}

/** @throws OptionsError saying which option can't be used, and why. */
export function check(options: SubscribeOptions): Settings {
  const target = parseTarget(options.target);
  const tls = options.tls === true ? {} : options.tls;
  if (tls && (tls.certFile === undefined) !== (tls.keyFile === undefined)) {
    throw new OptionsError('tls: certFile and keyFile are needed together');
  }
  if (options.tokenFile !== undefined && !tls && !target.isLocal) {
    throw new OptionsError(
      `tokenFile: the token would go to ${options.target} in the clear. Set tls, or use a loopback address or a socket`,
    );
  }
  if (options.start instanceof Date && Number.isNaN(options.start.getTime())) {
    throw new OptionsError('start: not a valid time');
  }
  const backoff = { ...defaultBackoff, ...options.backoff };
  return {
    target,
    handler: options.handler,
    store: options.store,
    signal: options.signal ?? new AbortController().signal,
    filter: encodable(EventFilter.fromPartial(options.filter ?? {})),
    start: options.start ?? 'latest',
    onGap: options.onGap ?? (() => 'fail'),
    tls,
    tokenFile: options.tokenFile,
    includeRawBody: options.includeRawBody ?? false,
    stopWhenCaughtUp: options.stopWhenCaughtUp ?? false,
    heartbeatIntervalMs: inRange('heartbeatIntervalMs', options.heartbeatIntervalMs ?? 15_000, 1_000, 300_000),
    consumer: options.consumer ?? '',
    maxEventBytes: Math.trunc(
      inRange('maxEventBytes', options.maxEventBytes ?? 3 * 1024 * 1024, 4_096, 2 ** 32 - 1),
    ),
    fetchOmitted: options.fetchOmitted ?? false,
    backoff: {
      initialMs: inRange('backoff.initialMs', backoff.initialMs, 1, 2 ** 31 - 1),
      maxMs: inRange('backoff.maxMs', backoff.maxMs, 1, 2 ** 31 - 1),
    },
    onConnected: options.onConnected ?? (() => {}),
    onLost: options.onLost ?? (() => {}),
  };
}

/** A filter that can't be encoded would look like a failure of the call, and be tried for ever. */
function encodable(filter: EventFilter): EventFilter {
  try {
    EventFilter.encode(filter);
    return filter;
  } catch (error) {
    throw new OptionsError(`filter: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function inRange(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new OptionsError(`${name}: ${value} is not between ${least} and ${most}`);
}
