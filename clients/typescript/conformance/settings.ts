import { FileCursorStore, type GapDecision, MemoryCursorStore, type SubscribeOptions } from '@smile-relay/client';
import { EventType } from '@smile-relay/client/v1';

/** The program's argument, as all languages' programs take it. Only `target` is needed. */
export interface Settings {
  target: string;
  ca_file?: string;
  server_name?: string;
  token_file?: string;
  start?: 'latest' | 'earliest';
  cursor_file?: string;
  filter?: { types?: (keyof typeof EventType)[]; type_names?: string[]; user_ids?: string[]; endpoints?: string[] };
  include_raw_body?: boolean;
  heartbeat_interval_ms?: number;
  max_event_bytes?: number;
  fetch_omitted?: boolean;
  stop_when_caught_up?: boolean;
  consumer?: string;
  on_gap?: GapDecision;
  handle_ms?: number;
  stop_after?: number;
  backoff_max_ms?: number;
  count_only?: boolean;
}

/** What goes to `subscribe` as it is. */
export function subscribeOptions(settings: Settings): Omit<SubscribeOptions, 'handler'> {
  return {
    target: settings.target,
    store: settings.cursor_file ? new FileCursorStore(settings.cursor_file) : new MemoryCursorStore(),
    filter: {
      types: settings.filter?.types?.map((name) => EventType[name]) ?? [],
      typeNames: settings.filter?.type_names ?? [],
      userIds: settings.filter?.user_ids ?? [],
      endpoints: settings.filter?.endpoints ?? [],
    },
    ...(settings.ca_file && {
      tls: { caFile: settings.ca_file, ...(settings.server_name && { serverName: settings.server_name }) },
    }),
    ...(settings.token_file && { tokenFile: settings.token_file }),
    ...(settings.start && { start: settings.start }),
    ...(settings.include_raw_body !== undefined && { includeRawBody: settings.include_raw_body }),
    ...(settings.heartbeat_interval_ms !== undefined && { heartbeatIntervalMs: settings.heartbeat_interval_ms }),
    ...(settings.max_event_bytes !== undefined && { maxEventBytes: settings.max_event_bytes }),
    ...(settings.fetch_omitted !== undefined && { fetchOmitted: settings.fetch_omitted }),
    ...(settings.stop_when_caught_up !== undefined && { stopWhenCaughtUp: settings.stop_when_caught_up }),
    ...(settings.consumer && { consumer: settings.consumer }),
    ...(settings.backoff_max_ms !== undefined && { backoff: { maxMs: settings.backoff_max_ms } }),
  };
}
