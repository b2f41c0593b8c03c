import type { Metadata } from '@grpc/grpc-js';
import { CallFailed } from './call-failed.js';
import type { Event } from './generated/smilerelay/v1/event.js';
import type { GetEventRequest, RelayServiceClient } from './generated/smilerelay/v1/service.js';

/** Enough for 16 MiB (the relay's limit for a body) at 3 Mbit/s. */
const deadlineMs = 60_000;

/**
 * Gets one event, whole.
 *
 * @throws CallFailed, also if `signal` was aborted.
 */
export function fetchEvent(
  client: RelayServiceClient,
  request: GetEventRequest,
  metadata: Metadata,
  signal: AbortSignal,
): Promise<Event | undefined> {
  return new Promise((resolve, reject) => {
    const call = client.getEvent(request, metadata, { deadline: Date.now() + deadlineMs }, (error, response) => {
      signal.removeEventListener('abort', cancel);
      if (error) reject(new CallFailed(error));
      else resolve(response.event);
    });
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
  });
}
