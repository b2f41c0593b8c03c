/** Why the relay can't go on after the cursor that it was asked for. */
export type GapReason =
  /** Retention removed events after the cursor that were not read. */
  | 'CURSOR_EXPIRED'
  /** The cursor is of another relay's log. */
  | 'CURSOR_FOREIGN_LOG'
  /** This log holds another event where the cursor points: it was restored from a copy, and grew since. */
  | 'CURSOR_DIVERGED'
  /** The cursor is ahead of the log: it was restored from an older copy. */
  | 'CURSOR_AHEAD';

/** A hole in what can be read. Only the application knows what it means, so it decides. */
export interface Gap {
  reason: GapReason;
  /** What the relay says. */
  message: string;
  /** The cursor that was to be resumed from. Empty if the subscription had not read anything yet. */
  asked: string;
  /** The place before the oldest event that the relay still holds, if it said so. */
  earliestCursor?: string;
  /** The place after the newest event, if the relay said so. */
  latestCursor?: string;
}

/**
 * Where to continue after a gap: not at all (the subscription ends with a GapError), at the oldest event that is still
 * there, with what comes from now on, or after a cursor.
 */
export type GapDecision = 'fail' | 'earliest' | 'latest' | { after: string };

const reasons: ReadonlySet<string> = new Set<GapReason>([
  'CURSOR_EXPIRED',
  'CURSOR_FOREIGN_LOG',
  'CURSOR_DIVERGED',
  'CURSOR_AHEAD',
]);

export function isGapReason(reason: string): reason is GapReason {
  return reasons.has(reason);
}
