import { Metadata, type status as Code, type StatusObject } from '@grpc/grpc-js';
import { BadRequest, ErrorInfo, RetryInfo, Status } from '../src/generated/google/rpc/error_details.js';

export interface Details {
  reason?: string;
  domain?: string;
  cursors?: Record<string, string>;
  retryMs?: number;
  violations?: BadRequest['fieldViolations'];
}

/** A status as the relay sends it, with its details in the trailer. */
export function relayStatus(code: Code, message: string, details: Details = {}): StatusObject {
  const found: Status['details'] = [];
  const add = (name: string, bytes: Uint8Array) =>
    found.push({ typeUrl: `type.googleapis.com/google.rpc.${name}`, value: Buffer.from(bytes) });
  const { reason, domain = 'smile-relay', cursors = {}, retryMs, violations } = details;
  if (reason) add('ErrorInfo', ErrorInfo.encode({ reason, domain, metadata: new Map(Object.entries(cursors)) }).finish());
  if (retryMs) {
    const retryDelay = { seconds: BigInt(Math.trunc(retryMs / 1000)), nanos: (retryMs % 1000) * 1_000_000 };
    add('RetryInfo', RetryInfo.encode({ retryDelay }).finish());
  }
  if (violations) add('BadRequest', BadRequest.encode({ fieldViolations: violations }).finish());
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message, details: found }).finish()));
  return { code, details: message, metadata };
}
