/** How long to wait before a stream is opened again. */
export interface Backoff {
  /** The longest delay after the first failure, in milliseconds. Default: 100. */
  initialMs: number;
  /** The longest delay of all, in milliseconds. Default: 10,000. */
  maxMs: number;
}

export const defaultBackoff: Backoff = { initialMs: 100, maxMs: 10_000 };

/** What setTimeout can count to. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * The delay after so many failures in a row (1 or more): random between half and the whole of `initialMs`, doubled per
 * failure, so that the subscribers of a relay that was away don't all come back at once.
 *
 * @param atLeastMs what the relay asked for; the delay is never below.
 * @param random a number from 0 up to 1.
 */
export function delayMs(backoff: Backoff, failures: number, atLeastMs = 0, random = Math.random()): number {
  const whole = Math.min(backoff.maxMs, backoff.initialMs * 2 ** (failures - 1));
  const delay = Math.max(Math.round(whole * (0.5 + random / 2)), Math.ceil(atLeastMs));
  return Math.min(delay, longestTimerMs);
}
