/** The page: its form, and the subscription between Connect and Stop. */
import { createGrpcWebTransport } from '@connectrpc/connect-web';
import { placeInTab } from './place';
import { subscribe, SubscriptionEnded } from './subscribe';
import { askAboutGap, clearEvents, element, showEvent, showState, showStream } from './view';

const settings = element('settings', HTMLFormElement);
const relay = settings.elements.namedItem('relay') as HTMLInputElement;
const start = settings.elements.namedItem('start') as HTMLSelectElement;
const connect = element('connect', HTMLButtonElement);
const stop = element('stop', HTMLButtonElement);

// ?relay=https://relay.example.com&heartbeat=5 (seconds). Nothing is connected to before somebody says so.
const parameters = new URLSearchParams(location.search);
const heartbeatMs = Number(parameters.get('heartbeat') ?? 15) * 1000;
relay.value = parameters.get('relay') ?? 'http://127.0.0.1:50051';

settings.addEventListener('submit', (submit) => {
  submit.preventDefault();
  void follow();
});

async function follow(): Promise<void> {
  const place = placeInTab(relay.value);
  const stopped = new AbortController();
  stop.onclick = () => stopped.abort();
  setRunning(true);
  clearEvents();
  showState('connecting', 'Connecting.');
  try {
    await subscribe({
      transport: createGrpcWebTransport({ baseUrl: relay.value }),
      // With another start, the place of before is forgotten with the first message.
      place: start.value === 'place' ? place : { load: () => undefined, save: (cursor) => place.save(cursor) },
      start: start.value === 'earliest' ? 'earliest' : 'latest',
      heartbeatMs,
      signal: stopped.signal,
      onEvent: showEvent,
      onState: showStream,
      onGap: askAboutGap,
    });
    showState('stopped', 'Stopped.');
  } catch (error) {
    showState('ended', `Ended: ${error instanceof Error ? error.message : error}`);
    if (!(error instanceof SubscriptionEnded)) throw error;
  } finally {
    setRunning(false);
  }
}

function setRunning(isRunning: boolean): void {
  for (const input of [relay, start, connect]) input.disabled = isRunning;
  stop.disabled = !isRunning;
  // The focus stays with the one button that can be pressed.
  (isRunning ? stop : connect).focus();
}
