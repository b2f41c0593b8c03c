// Prints what Smile reports, keeps its place in a file, and ends on SIGTERM or Ctrl-C.
//   node build/example/service.js [ADDRESS [CURSOR_FILE]]
// Or by the environment: SMILE_RELAY_ADDRESS (host:port, https://host:port or unix:/path), SMILE_RELAY_CURSOR_FILE, and
// for a relay beyond this machine SMILE_RELAY_CA_FILE and SMILE_RELAY_TOKEN_FILE.
import { type Event, FileCursorStore, subscribe } from '@smile-relay/client';
import { Decimal } from 'decimal.js';

const { SMILE_RELAY_ADDRESS, SMILE_RELAY_CA_FILE, SMILE_RELAY_TOKEN_FILE, SMILE_RELAY_CURSOR_FILE } = process.env;
const [address = SMILE_RELAY_ADDRESS ?? '127.0.0.1:50051', cursorFile = SMILE_RELAY_CURSOR_FILE ?? 'cursor'] =
  process.argv.slice(2);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('SIGINT', () => stop.abort());

function handler(event: Event): void {
  console.log(`${event.sequence} ${event.id} ${event.typeName} ${event.userId}`);
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
  target: address.replace(/^https?:\/\//, ''),
  tls: address.startsWith('https://') ? { caFile: SMILE_RELAY_CA_FILE } : undefined,
  tokenFile: SMILE_RELAY_TOKEN_FILE,
  handler,
  store: new FileCursorStore(cursorFile),
  start: 'earliest',
  signal: stop.signal,
  onConnected: ({ after }) => console.error(after ? `connected, resuming after ${after}` : 'connected'),
  onLost: ({ code, message, delayMs }) => console.error(`lost (${code}: ${message}), again in ${delayMs} ms`),
});
