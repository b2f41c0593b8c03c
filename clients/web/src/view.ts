/** What is shown. All that comes from outside is set as text, never as markup. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Event, Omitted } from './generated/smilerelay/v1/event_pb';
import { type Gap, textOf } from './status';
import type { State } from './subscribe';

/** Rows that stay; so a page that is open for weeks doesn't grow. */
const mostRows = 500;

const state = element('state', HTMLElement);
const count = element('count', HTMLElement);
const events = element('events', HTMLTableSectionElement);
const dialog = element('gap', HTMLDialogElement);
const gapText = element('gap-text', HTMLElement);
let received = 0;

/** The page's element of this id. */
export function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${type.name} #${id}`);
}

/** Screen readers say a new text; so it is set only if it is another one. */
export function showState(kind: State['kind'] | 'connecting' | 'stopped' | 'ended', text: string): void {
  if (state.textContent === text) return;
  state.textContent = text;
  state.dataset['state'] = kind;
}

export function showStream(now: State): void {
  if (now.kind === 'connected') {
    showState('connected', now.isCaughtUp ? 'Connected.' : 'Connected, reading what was stored before.');
    return;
  }
  // Browsers don't tell pages why a call was not let through.
  const isNotLetIn = !now.wasOpen && now.failure.reason === '';
  const hint = `Is the relay there, and was it started with --grpc-web-origin ${location.origin}? `;
  const seconds = (now.delayMs / 1000).toFixed(1);
  showState('lost', `Lost: ${textOf(now.failure)}. ${isNotLetIn ? hint : ''}Trying again in ${seconds} s.`);
}

export function clearEvents(): void {
  events.replaceChildren();
  received = 0;
  count.textContent = '0';
}

/** 0 bytes: there is nothing left of it. */
function whyOmitted({ sizeBytes }: Omitted): string {
  return sizeBytes ? `${sizeBytes} bytes` : 'erased';
}

export function showEvent(event: Event): void {
  const row = document.createElement('tr');
  row.dataset['id'] = event.id;
  row.append(
    cell(event.sequence.toString()),
    cell(event.omitted ? `${event.typeName} (without its content: ${whyOmitted(event.omitted)})` : event.typeName),
    cell(event.userId),
    cell(timeOf(event)),
    cell(incomeOf(event)),
  );
  events.prepend(row);
  if (events.rows.length > mostRows) events.deleteRow(-1);
  received += 1;
  count.textContent = received.toString();
}

function cell(content: string | Node): HTMLTableCellElement {
  const cell = document.createElement('td');
  cell.append(content);
  return cell;
}

function timeOf({ createdAt, receivedAt }: Event): Node {
  const timestamp = createdAt ?? receivedAt;
  const time = document.createElement('time');
  if (timestamp) {
    const date = timestampDate(timestamp);
    time.dateTime = date.toISOString();
    time.textContent = date.toLocaleString();
  }
  return time;
}

/** Amounts are decimal text, shown as they were sent: a JavaScript number would round them. */
function incomeOf({ data }: Event): string {
  if (data.case !== 'taskFinished' && data.case !== 'accountSyncTaskFinished') return '';
  const income = data.value.payload?.incomes?.items[0];
  return income?.netAmount ? `${income.netAmount.value} ${income.currency ?? ''}`.trim() : '';
}

/** Asks where to go on. Closing the question by Escape is to stop. */
export function askAboutGap(gap: Gap): Promise<'earliest' | 'latest' | 'stop'> {
  showState('lost', 'Waiting for your decision.');
  gapText.textContent = `${gap.message} (${gap.reason}). Nothing was skipped yet: you decide where to go on.`;
  dialog.returnValue = 'stop';
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = () => {
      const { returnValue } = dialog;
      resolve(returnValue === 'earliest' || returnValue === 'latest' ? returnValue : 'stop');
    };
    dialog.addEventListener('close', answer, { once: true });
  });
}
