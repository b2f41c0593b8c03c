import { toRfc3339 } from '@smile-relay/client';
import { type Event, eventTypeToJSON, omittedReasonToJSON } from '@smile-relay/client/v1';
import { Decimal } from 'decimal.js';

/** An event as the conformance programs of all languages print it. */
export function describe(event: Event): object {
  return {
    sequence: Number(event.sequence),
    id: event.id,
    type: eventTypeToJSON(event.type),
    type_name: event.typeName,
    cursor: event.cursor,
    user_id: event.userId,
    created_at: event.createdAt && toRfc3339(event.createdAt),
    data: event.data ? snakeCase(event.data.$case) : '',
    omitted: event.omitted ? omittedReasonToJSON(event.omitted.reason).replace('OMITTED_REASON_', '') : '',
    issues: event.decodeIssues.length,
    raw_bytes: event.rawBody.length,
    net_amount: netAmount(event),
  };
}

function netAmount({ data }: Event): string | undefined {
  if (data?.$case !== 'taskFinished') return undefined;
  const text = data.value.payload?.incomes?.items[0]?.netAmount?.value;
  return text === undefined ? undefined : plain(text);
}

/** The number in plain notation, with the zeros at its end, which decimal.js leaves out unless told how many digits. */
export function plain(text: string): string {
  const [, fraction = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  return new Decimal(text).toFixed(Math.max(0, fraction.length - Number(exponent)));
}

function snakeCase(camelCase: string): string {
  return camelCase.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
