/** Sends a batch, and knows what the relay's answers mean. */
import type { BridgeErrorCode } from './bridge';
import type { Waiting } from './queue';
import { within } from './within';

/** What is to be done about a batch that was sent. */
export interface Verdict {
  action:
    /** All of it is safe. */
    | 'stored'
    /** Something in it will never be taken: find it by sending less, drop it when it is alone. */
    | 'split'
    /** The named ones will never be taken. */
    | 'drop'
    /** The token is no use. */
    | 'renew'
    /** No later attempt would do better. */
    | 'stop'
    | 'retry';
  /** The relay's, `http_502` if somebody else answered, or `unreachable`. */
  code: BridgeErrorCode;
  message: string;
  /** Those to drop. */
  ids: unknown[];
  /** What the relay asks to wait before the next attempt; 0 if nothing. */
  waitMs: number;
}

const answerWithinMs = 30_000;
/** More than an hour isn't believed: it would be somebody's mistake. */
const maxWaitSeconds = 3600;

export function bodyOf(token: string, batch: Waiting[]): string {
  return `{"token":${JSON.stringify(token)},"callbacks":[${batch.map(({ text }) => text)}]}`;
}

/** Sends without an answer, even if the page is gone at once. False if the browser doesn't take it. */
export function beacon(endpoint: string, body: string): boolean {
  try {
    return navigator.sendBeacon(endpoint, body);
  } catch {
    return false;
  }
}

/** Sends, and says what became of it. Never rejects. */
export async function post(endpoint: string, body: string): Promise<Verdict> {
  try {
    const abort = typeof AbortController === 'function' ? new AbortController() : undefined;
    return await within(answerWithinMs, exchange(endpoint, body, abort?.signal), () => abort?.abort());
  } catch (error) {
    const message = `can't reach ${endpoint} (${error}); if it stays so, see --callback-origin and the page's connect-src`;
    return { action: 'retry', code: 'unreachable', message, ids: [], waitMs: 0 };
  }
}

async function exchange(endpoint: string, body: string, signal: AbortSignal | undefined): Promise<Verdict> {
  // A text goes as text/plain;charset=UTF-8: no preflight. And a batch is always small enough for keepalive.
  const request: RequestInit = { method: 'POST', body, keepalive: true, credentials: 'omit' };
  // The token is for this address only.
  request.redirect = 'error';
  if (signal) request.signal = signal;
  const response = await fetch(endpoint, request);
  const answer = parse(await response.text());
  const error = Object(answer.error);
  return {
    action: actionOf(response.status, answer.status, error.code),
    code: String(error.code || `http_${response.status}`),
    message: `the relay answered ${response.status}: ${error.message || 'without a reason'}`,
    ids: Array.isArray(error.ids) ? error.ids : [],
    waitMs: Math.min(Number(response.headers.get('Retry-After')) || 0, maxWaitSeconds) * 1000,
  };
}

function actionOf(httpStatus: number, status: unknown, code: unknown): Verdict['action'] {
  switch (httpStatus) {
    case 200:
      // Else somebody in between has answered.
      return status === 'stored' ? 'stored' : 'retry';
    case 400:
    case 413:
      return 'split';
    case 401:
      return 'renew';
    case 403:
      // Who stands before the relay may say so too, and that may pass.
      return code === 'wrong_user' ? 'drop' : code === 'origin_not_allowed' ? 'stop' : 'retry';
    case 404:
    case 405:
      return 'stop';
    default:
      return 'retry';
  }
}

/** An object, whatever it was. */
function parse(json: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}
