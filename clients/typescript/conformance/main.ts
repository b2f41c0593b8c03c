/** Runs a subscription as told by a JSON object, and prints what happens, a JSON object a line. For the driver of all languages. */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Event, GapError, RefusedError, subscribe } from '@smile-relay/client';
import { describe } from './describe.js';
import { type Settings, subscribeOptions } from './settings.js';

function print(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

function parse(argument: string | undefined): Settings {
  try {
    const settings = JSON.parse(argument ?? '');
    if (typeof settings.target === 'string') return settings;
  } catch {
    // Told below.
  }
  console.error('One argument is needed: a JSON object with a target');
  process.exit(2);
}

const settings = parse(process.argv[2]);
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

let events = 0;
async function handler(event: Event): Promise<void> {
  if (settings.handle_ms) await sleep(settings.handle_ms, undefined, { signal: stop.signal });
  events += 1;
  if (!settings.count_only) print({ event: describe(event) });
  if (events === settings.stop_after) stop.abort();
}

const began = performance.now();
const cpuBefore = process.cpuUsage();

function end(how: string, code = '', reason = '', message = ''): void {
  const cpu = process.cpuUsage(cpuBefore);
  const seconds = (performance.now() - began) / 1000;
  print({ end: { how, code, reason, message, events, seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6 } });
}

try {
  await subscribe({
    ...subscribeOptions(settings),
    handler,
    signal: stop.signal,
    onConnected: ({ after }) => print({ connected: { after } }),
    onLost: ({ code, reason, delayMs }) => print({ lost: { code, reason, delay_ms: delayMs } }),
    onGap: ({ reason, asked, earliestCursor = '', latestCursor = '' }) => {
      print({ gap: { reason, asked, earliest: earliestCursor, latest: latestCursor } });
      return settings.on_gap ?? 'fail';
    },
  });
  end(stop.signal.aborted ? 'stopped' : 'caught_up');
} catch (error) {
  process.exitCode = 1;
  if (error instanceof GapError) end('failed', error.code, error.gap.reason, error.message);
  else if (error instanceof RefusedError) end('failed', error.code, error.reason, error.message);
  else end('failed', '', '', String(error));
}
