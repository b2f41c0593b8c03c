/**
 * The relay's messages and its gRPC client, generated from proto/smilerelay/v1, for what `subscribe` doesn't do:
 * ListEvents, GetEvent, GetRelayInfo, tokens for browsers. 64-bit integers are `bigint`, oneofs are `{ $case, value }`, times are
 * `Timestamp` (seconds and nanoseconds, nothing rounded), amounts are `Decimal` (their exact text).
 */
export * from './generated/google/protobuf/duration.js';
export * from './generated/google/protobuf/timestamp.js';
export * from './generated/smilerelay/v1/callback.js';
export * from './generated/smilerelay/v1/datapoints.js';
export * from './generated/smilerelay/v1/event.js';
export * from './generated/smilerelay/v1/insight.js';
export * from './generated/smilerelay/v1/metadata.js';
export * from './generated/smilerelay/v1/record.js';
export * from './generated/smilerelay/v1/service.js';
export * from './generated/smilerelay/v1/session.js';
export * from './generated/smilerelay/v1/values.js';
export * from './generated/smilerelay/v1/verification.js';
export * from './generated/smilerelay/v1/webhook.js';
export * from './generated/smilerelay/v1/widget.js';
