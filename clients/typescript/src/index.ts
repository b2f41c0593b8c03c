/**
 * A client of smile-relay: `subscribe` keeps a stream of Smile's events alive and resumes where it left off.
 * All messages, and the bare gRPC client, are in `@smile-relay/client/v1`.
 */
export type { Backoff } from './backoff.js';
export { type CursorStore, FileCursorStore, MemoryCursorStore } from './cursor-store.js';
export { type FieldViolation, GapError, MessageTooLargeError, OptionsError, RefusedError, SmileRelayError } from './errors.js';
export type { Gap, GapDecision, GapReason } from './gap.js';
export { Event, EventSource, EventType, OmittedReason } from './generated/smilerelay/v1/event.js';
export { EventFilter } from './generated/smilerelay/v1/service.js';
export type { Connected, Lost, SubscribeOptions, TlsOptions } from './options.js';
export type { Failure } from './status.js';
export { subscribe } from './subscribe.js';
export { toDate, toRfc3339 } from './time.js';
