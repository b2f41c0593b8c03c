/** What a failed call means: try again, a gap to be decided, or the end. The one place that knows the relay's codes. */
import { status as Code, type Metadata, type StatusObject } from '@grpc/grpc-js';
import { MessageTooLargeError, RefusedError } from './errors.js';
import { type Gap, isGapReason } from './gap.js';
import { BadRequest, ErrorInfo, RetryInfo, Status } from './generated/google/rpc/error_details.js';
import { durationToMs } from './time.js';

/** Why a call, or a stream that nobody ended, is over. */
export interface Failure {
  /** The gRPC status code's name, or `DEAD` for a stream that was silent for too long. */
  code: string;
  /** The relay's reason, or empty. */
  reason: string;
  message: string;
}

/** What to do about it. */
export type Verdict =
  | { kind: 'retry'; failure: Failure; atLeastMs: number }
  | { kind: 'gap'; gap: Gap }
  | { kind: 'final'; error: RefusedError };

/** What a verdict depends on besides the status. */
export interface Circumstances {
  /** The cursor that was resumed from, or empty. */
  asked: string;
  /** Whether a token file is set: then a refused token may be replaced by a good one any time. */
  hasTokenFile: boolean;
}

const passing: ReadonlySet<Code> = new Set([
  Code.OK, // A stream without an end came to one.
  Code.CANCELLED, // Not by us: that is sorted out before.
  Code.UNKNOWN,
  Code.DEADLINE_EXCEEDED,
  Code.ABORTED,
  Code.INTERNAL,
  Code.UNAVAILABLE,
]);

/** Judges the status with which a call or a stream ended. */
export function judge(status: StatusObject, { asked, hasTokenFile }: Circumstances): Verdict {
  const { info, retry, badRequest } = details(status.metadata);
  const reason = info?.reason ?? '';
  const code = Code[status.code] ?? String(status.code);
  const message = status.details;

  if (isGapReason(reason) && (status.code === Code.OUT_OF_RANGE || status.code === Code.FAILED_PRECONDITION)) {
    const earliestCursor = info?.metadata.get('earliest_cursor');
    const latestCursor = info?.metadata.get('latest_cursor');
    return {
      kind: 'gap',
      gap: { reason, message, asked, ...(earliestCursor && { earliestCursor }), ...(latestCursor && { latestCursor }) },
    };
  }
  if (
    passing.has(status.code) ||
    (status.code === Code.RESOURCE_EXHAUSTED && info) ||
    (status.code === Code.UNAUTHENTICATED && hasTokenFile)
  ) {
    const atLeastMs = retry?.retryDelay ? durationToMs(retry.retryDelay) : 0;
    return { kind: 'retry', failure: { code, reason, message }, atLeastMs };
  }
  if ((status.code === Code.RESOURCE_EXHAUSTED || status.code === Code.OUT_OF_RANGE) && !info) {
    const text =
      `${code}: ${message}. A message is larger than the channel's receive limit, which is maxEventBytes and 1 MiB: ` +
      `raise maxEventBytes, and the limit of whatever stands between this service and the relay`;
    return { kind: 'final', error: new MessageTooLargeError(text, code, reason, []) };
  }
  const text = `${code}${reason && ` (${reason})`}: ${message}${advice(status.code)}`;
  return { kind: 'final', error: new RefusedError(text, code, reason, badRequest?.fieldViolations ?? []) };
}

function advice(code: Code): string {
  switch (code) {
    case Code.UNAUTHENTICATED:
      return '. Set tokenFile, or a client certificate in tls';
    case Code.PERMISSION_DENIED:
      return '. Ask for what this identity is granted';
    case Code.UNIMPLEMENTED:
      return ". Is the target smile-relay's gRPC listener?";
    default:
      return '';
  }
}

interface Details {
  info?: ErrorInfo;
  retry?: RetryInfo;
  badRequest?: BadRequest;
}

function details(metadata: Metadata): Details {
  const found: Details = {};
  const trailer = metadata.get('grpc-status-details-bin')[0];
  if (!(trailer instanceof Buffer)) return found;
  try {
    for (const { typeUrl, value: bytes } of Status.decode(trailer).details) {
      switch (typeUrl) {
        case 'type.googleapis.com/google.rpc.ErrorInfo': {
          const info = ErrorInfo.decode(bytes);
          // Proxies and libraries have reasons of their own, which mean something else.
          if (info.domain === 'smile-relay') found.info = info;
          break;
        }
        case 'type.googleapis.com/google.rpc.RetryInfo':
          found.retry = RetryInfo.decode(bytes);
          break;
        case 'type.googleapis.com/google.rpc.BadRequest':
          found.badRequest = BadRequest.decode(bytes);
          break;
      }
    }
  } catch {
    // Not the relay's: it sends what can be decoded. The code decides alone.
  }
  return found;
}

