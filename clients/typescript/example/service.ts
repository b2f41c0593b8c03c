// Prints what Smile reports, keeps its place in a file, and ends on SIGTERM or Ctrl-C.
//   node build/example/service.js [TARGET [CURSOR_FILE]]
import { type Event, EventType, FileCursorStore, subscribe, toRfc3339 } from '@smile-relay/client';
import { Decimal } from 'decimal.js';

const [target = '127.0.0.1:50051', cursorFile = 'cursor'] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

function handler(event: Event): void {
  const when = event.createdAt ? toRfc3339(event.createdAt) : 'at an unknown time';
  console.log(`${event.sequence} ${event.typeName} ${when} user ${event.userId || 'unknown'}`);
  switch (event.data?.$case) {
    case 'accountConnected':
      console.log(`  account ${event.data.value.accountId}`);
      break;
    case 'taskFinished':
      for (const { endDate, netAmount, currency } of event.data.value.payload?.incomes?.items ?? []) {
        if (netAmount) console.log(`  net income until ${endDate}: ${new Decimal(netAmount.value).toFixed(2)} ${currency ?? ''}`);
      }
  }
}

await subscribe({
  target,
  handler,
  store: new FileCursorStore(cursorFile),
  filter: { types: [EventType.EVENT_TYPE_ACCOUNT_CONNECTED, EventType.EVENT_TYPE_TASK_FINISHED] },
  start: 'earliest',
  signal: stop.signal,
  onConnected: ({ after }) => console.error(after ? `connected, resuming after ${after}` : 'connected'),
  onLost: ({ code, message, delayMs }) => console.error(`lost (${code}: ${message}), again in ${delayMs} ms`),
});
