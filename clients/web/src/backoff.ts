const initialMs = 100;
const maxMs = 10_000;

/**
 * How long to wait after so many failures in a row (1 or more): random between half and the whole of 100 ms, doubled per
 * failure up to 10 s, so that the pages of a relay that was away don't all come back at once.
 *
 * @param atLeastMs what the relay asked for; the delay is never below.
 * @param random a number from 0 up to 1.
 */
export function delayMs(failures: number, atLeastMs = 0, random = Math.random()): number {
  const whole = Math.min(maxMs, initialMs * 2 ** (failures - 1));
  return Math.max(whole * (0.5 + random / 2), atLeastMs);
}
