const maxMs = 60_000;

/**
 * How long to wait after so many failures in a row (1 or more): random between half and the whole of 2 s, doubled per
 * failure up to 60 s, so that the pages of a relay that was away don't all come back at once.
 *
 * @param atLeastMs what the relay asked for.
 */
export function delayMs(failures: number, atLeastMs: number): number {
  const whole = Math.min(maxMs, 1000 * 2 ** failures);
  return Math.max(whole * (0.5 + Math.random() / 2), atLeastMs);
}
