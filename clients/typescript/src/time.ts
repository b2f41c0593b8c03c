/** Conversions of protobuf's times, which are finer and reach further than JavaScript's. */
import type { Duration } from './generated/google/protobuf/duration.js';
import type { Timestamp } from './generated/google/protobuf/timestamp.js';

/** The time as a Date. What is finer than a millisecond is cut off; `toRfc3339` keeps it. */
export function toDate(timestamp: Timestamp): Date {
  return new Date(Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1_000_000));
}

/** The time as RFC 3339 text in UTC, with 0, 3, 6 or 9 digits of fraction: as many as it takes to lose nothing. */
export function toRfc3339(timestamp: Timestamp): string {
  const wholeSeconds = new Date(Number(timestamp.seconds) * 1000).toISOString().slice(0, -'.000Z'.length);
  const digits = String(timestamp.nanos).padStart(9, '0').replace(/^000000000$/, '').replace(/(000){1,2}$/, '');
  return `${wholeSeconds}${digits && '.'}${digits}Z`;
}

export function fromDate(date: Date): Timestamp {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

export function durationFromMs(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

export function durationToMs(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
}
