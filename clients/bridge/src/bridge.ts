import { flushAll, open, wakeAll, type Account } from './account';
import { writeDown } from './callback';
import { watchPage } from './page';
import { reporter } from './report';

/** What most callbacks tell about an account. */
export interface WidgetAccount {
  accountId: string;
  userId: string;
  providerId: string;
}

export interface WidgetAccountError extends WidgetAccount {
  /** `INVALID_CREDENTIALS`, `MFA_TIMEOUT`, ...: an open list. */
  errorCode: string;
}

export interface WidgetUploads {
  /** Smile documents no shape. */
  uploads: unknown;
  userId: string;
}

export interface WidgetUIEvent {
  /** `ConsentPageOpened`, `LoginPageOpened`, ...: an open list. */
  eventName: string;
  eventTime: string;
  /** `SANDBOX` or `PRODUCTION`. */
  mode: string;
  userId?: string | null;
  account?: { providerId?: string; accountId?: string };
  archive?: { fileType?: string };
}

/**
 * The callbacks of the Wink Widget, as Smile documents them. These types say what to expect, no more: the widget runs in the
 * user's browser. What a callback returns goes to the widget.
 */
export interface WidgetCallbacks {
  onAccountCreated?(account: WidgetAccount): unknown;
  onAccountConnected?(account: WidgetAccount): unknown;
  onAccountRemoved?(account: WidgetAccount): unknown;
  onAccountError?(error: WidgetAccountError): unknown;
  onTokenExpired?(...args: any[]): unknown;
  /** `close` (the X), `exit` (Done) or `error`; in an object, alone, or not at all, depending on the widget's version. */
  onClose?(reason?: any): unknown;
  onUploadsCreated?(uploads: WidgetUploads): unknown;
  onUploadsRemoved?(uploads: WidgetUploads): unknown;
  onUIEvent?(event: WidgetUIEvent): unknown;
}

/**
 * A kind of trouble; an open list.
 *
 * - `bad_options`: `url` or `token` can't be used. Nothing is relayed.
 * - `no_token`: the token function threw, rejected, took more than 30 seconds, or gave no text. It is called again.
 * - `token_expired`, `bad_token`: the relay refuses the token. With a token function, another is got, and this is told only if
 *   the relay refuses that too. Else nothing is sent until `relayCallbacks` is called with a new token, in this page or the
 *   next one of this tab.
 * - `origin_not_allowed`: neither the relay's `--callback-origin` nor the token names the page's origin. Nothing more is sent
 *   from this page.
 * - `not_found`, `method_not_allowed`: callbacks are not switched on at the relay, or `url` is wrong. Nothing more is sent from
 *   this page.
 * - `wrong_user`: callbacks that name another user than the token's were dropped.
 * - `malformed`: a callback that the relay will never take was dropped.
 * - `too_large`: the arguments of a callback were too large and left out, or the relay found it too large and it was dropped.
 * - `rate_limited`, `unavailable`, `too_slow`, `http_502` and the like: the relay, or something before it, has no time. Tried
 *   again, for as long as the page lives.
 * - `unreachable`: no answer that the page may read. Tried again as well. If it stays so, the address is wrong, the relay's
 *   `--callback-origin` doesn't name the page's origin, or the page's Content-Security-Policy doesn't allow it (`connect-src`).
 * - `queue_full`: too much waited, and some was dropped: the oldest UI events first, then the oldest.
 */
export type BridgeErrorCode =
  | 'bad_options'
  | 'no_token'
  | 'token_expired'
  | 'bad_token'
  | 'origin_not_allowed'
  | 'not_found'
  | 'method_not_allowed'
  | 'wrong_user'
  | 'malformed'
  | 'too_large'
  | 'too_slow'
  | 'rate_limited'
  | 'unavailable'
  | 'unreachable'
  | 'queue_full'
  | (string & {});

/** What `onError` is told. Its message holds neither the token nor any arguments. */
export interface BridgeError extends Error {
  /** What to tell kinds of trouble apart by. */
  code: BridgeErrorCode;
}

export interface RelayCallbacksOptions extends WidgetCallbacks {
  /** The relay: its origin (`https://relay.example.com`), or the whole URL that takes the callbacks. */
  url: string;
  /**
   * The session's token, which your back-end got from the relay (`CreateCallbackToken`). Or a function that gets one: it is
   * called at once, and again whenever the relay refuses the token.
   */
  token: string | (() => string | Promise<string>);
  /** Is told about trouble, once for each kind. Default: `console.warn`. What it throws is ignored. */
  onError?(error: BridgeError): unknown;
  /** A callback that this version doesn't know is relayed as well, if it is named here. Its name has 64 characters at most. */
  [further: `on${string}`]: ((...args: any[]) => unknown) | undefined;
}

/** All nine callbacks, and those that the options name besides. */
export type RelayedCallbacks<Options = unknown> = Required<WidgetCallbacks> &
  Omit<Pick<Options, Extract<keyof Options, `on${string}`>>, keyof WidgetCallbacks | 'onError'>;

const names = [
  'onAccountCreated',
  'onAccountConnected',
  'onAccountRemoved',
  'onAccountError',
  'onTokenExpired',
  'onClose',
  'onUploadsCreated',
  'onUploadsRemoved',
  'onUIEvent',
];
/** The relay takes no longer ones. */
const furtherName = /^on[A-Z]\w{0,61}$/;

/**
 * The callbacks to create the widget with. Each calls yours first, with the same arguments and `this`, and gives its result or
 * its exception to the widget; and reports to the relay what the widget passed.
 *
 * ```js
 * const smile = new SmileLinkModal({ userToken, ...relayCallbacks({ url, token, onClose: mine }) });
 * ```
 *
 * Never throws, and never lets anything of its own reach the widget or the page.
 */
export function relayCallbacks<Options extends RelayCallbacksOptions>(options: Options): RelayedCallbacks<Options> {
  const own: Record<string, unknown> = Object(options);
  const snapshot = start(own);
  const further = Object.keys(own).filter((key) => furtherName.test(key) && key !== 'onError' && typeof own[key] === 'function');
  const callbacks: Record<string, unknown> = {};
  for (const name of names.concat(further)) {
    const mine = own[name];
    callbacks[name] = function (this: unknown, ...args: unknown[]): unknown {
      // Written down before and queued after: yours may change what it was given.
      const queue = snapshot(name, args);
      try {
        return typeof mine === 'function' ? mine.apply(this, args) : undefined;
      } finally {
        queue();
      }
    };
  }
  return callbacks as RelayedCallbacks<Options>;
}

/** Writes a callback down, and returns what queues it. Neither throws. */
type Snapshot = (name: string, args: unknown[]) => () => void;

function start(options: Record<string, unknown>): Snapshot {
  const nothing = () => {};
  // Where a page is rendered on a server, there is no widget and nothing to report.
  if (typeof document === 'undefined') return () => nothing;
  const report = reporter(options.onError);
  try {
    const endpoint = endpointOf(options.url);
    const { token } = options;
    const newToken = typeof token === 'function' ? async () => token.call(options) : undefined;
    if (!newToken && (typeof token !== 'string' || !token)) throw new Error('token is neither a text nor a function');
    watchPage(wakeAll, flushAll);
    const account: Account = { endpoint, token: newToken ? undefined : (token as string), newToken, report };
    open(account);
    return (name, args) => {
      try {
        const callback = writeDown(name, args);
        return () => account.channel!.add(callback);
      } catch {
        // No source of random numbers, or the like: the page matters more.
        return nothing;
      }
    };
  } catch (error) {
    report('bad_options', `${error}. Nothing is relayed.`);
    return () => nothing;
  }
}

function endpointOf(url: unknown): string {
  if (typeof url !== 'string' || !url) throw new Error('url is missing: the address of the relay');
  const endpoint = new URL(url, document.baseURI);
  if (endpoint.pathname === '/') endpoint.pathname = '/callbacks/v1/events';
  return endpoint.href;
}
