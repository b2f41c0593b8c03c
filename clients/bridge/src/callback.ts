/** Writes a callback down as the relay takes it. */
import { argumentsJson } from './arguments';
import { utf8Bytes } from './utf8';
import { uuidv7 } from './uuid';

/** Of one callback's JSON. Leaves room for the token in what is sent at once. */
const maxBytes = 50_000;

export interface Callback {
  id: string;
  name: string;
  /** Its JSON. */
  text: string;
  /** Whether the arguments were too large to be in it. */
  isCut: boolean;
}

/** Writes down a callback that fires now. */
export function writeDown(name: string, args: unknown[]): Callback {
  const now = Date.now();
  const id = uuidv7(now);
  const begin = `{"id":"${id}","name":${JSON.stringify(name)},`;
  const end = `"occurredAt":"${new Date(now).toISOString()}"`;
  const text = `${begin}"arguments":${argumentsJson(args)},${end}}`;
  const isCut = utf8Bytes(text) > maxBytes;
  return { id, name, text: isCut ? `${begin}${end},"argumentsOmitted":true}` : text, isCut };
}
