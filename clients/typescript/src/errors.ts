import type { Gap } from './gap.js';

/** The base of all errors that this package makes. Errors of the handler and of the cursor store pass as they are. */
export class SmileRelayError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** An option can't be used: a target of no known form, a file that can't be read, a token that would travel in the clear. */
export class OptionsError extends SmileRelayError {}

/** A part of a request that the relay doesn't accept. */
export interface FieldViolation {
  /** The field's path in the request: `after_cursor`. */
  field: string;
  /** What is wrong with it. */
  description: string;
}

/** The relay, or something between, refused in a way that trying again doesn't change. */
export class RefusedError extends SmileRelayError {
  /** The gRPC status code's name: `PERMISSION_DENIED`. */
  readonly code: string;
  /** The relay's reason, if it gave one: `EVENT_NOT_FOUND`. Else empty. */
  readonly reason: string;
  /** For INVALID_ARGUMENT: which fields are wrong. */
  readonly violations: readonly FieldViolation[];

  constructor(message: string, code: string, reason: string, violations: readonly FieldViolation[]) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.violations = violations;
  }
}

/** A message is larger than the channel's receive limit: raise `maxEventBytes` here, which raises that limit as well. */
export class MessageTooLargeError extends RefusedError {}

/** Events are missing, or the log is another one, and `onGap` decided to fail (or isn't set). */
export class GapError extends SmileRelayError {
  readonly gap: Gap;
  /** The gRPC status code's name: `OUT_OF_RANGE` for events that were removed, else `FAILED_PRECONDITION`. */
  readonly code: string;

  constructor(gap: Gap) {
    super(
      `${gap.reason}: ${gap.message}. Nothing was skipped. Decide in onGap where to continue: ` +
        `'earliest', 'latest' or { after: cursor }`,
    );
    this.gap = gap;
    this.code = gap.reason === 'CURSOR_EXPIRED' ? 'OUT_OF_RANGE' : 'FAILED_PRECONDITION';
  }
}
