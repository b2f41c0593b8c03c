/** What the end of a stream means: try again, ask the user, or give up. The one place that knows the relay's codes. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Code, type ConnectError } from '@connectrpc/connect';
import { ErrorInfoSchema, RetryInfoSchema } from './generated/google/rpc/error_details_pb';

/** Why a stream is over. */
export interface Failure {
  /** The gRPC status code's name, `Unavailable`, or `Dead` for a stream that was silent for too long. */
  code: string;
  /** The relay's reason, `DRAINING`, or empty. */
  reason: string;
  message: string;
}

/** A hole in what can be read. What it means, only people know. */
export interface Gap {
  reason: string;
  message: string;
  /** The place after the newest event, if the relay said so. */
  latestCursor: string | undefined;
}

export type Verdict =
  | { kind: 'retry'; failure: Failure; atLeastMs: number }
  | { kind: 'gap'; gap: Gap }
  | { kind: 'final'; failure: Failure };

const passing: ReadonlySet<Code> = new Set([
  Code.Canceled, // Not by us: that is sorted out before.
  Code.Unknown, // What browsers say of lost connections comes as this, or as Internal.
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss, // The relay never says so: the transport does, of a stream that ends within a message.
]);

const gaps: ReadonlySet<string> = new Set(['CURSOR_EXPIRED', 'CURSOR_FOREIGN_LOG', 'CURSOR_DIVERGED', 'CURSOR_AHEAD']);

export function judge(error: ConnectError): Verdict {
  // Proxies and libraries have reasons of their own, which mean something else.
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === 'smile-relay');
  const reason = info?.reason ?? '';
  const message = error.rawMessage;
  if (gaps.has(reason) && (error.code === Code.OutOfRange || error.code === Code.FailedPrecondition)) {
    return { kind: 'gap', gap: { reason, message, latestCursor: info?.metadata['latest_cursor'] } };
  }
  const failure: Failure = { code: Code[error.code], reason, message };
  if (passing.has(error.code) || (error.code === Code.ResourceExhausted && info)) {
    const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    return { kind: 'retry', failure, atLeastMs: retry ? durationMs(retry) : 0 };
  }
  return { kind: 'final', failure };
}

/** A failure in a line. */
export function textOf({ code, reason, message }: Failure): string {
  return `${code}${reason && ` (${reason})`}${message && `: ${message}`}`;
}
