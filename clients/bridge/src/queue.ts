/**
 * The callbacks that wait to be stored by the relay: in memory, and beside it in sessionStorage, so that they outlive a reload.
 *
 * Each has an entry of its own, `smile-relay <id> <owner>`. So frames of the same origin, which share the storage of their
 * tab, add and remove without a word to each other, and nobody ever writes over another's entry. If two send the same one,
 * the relay recognises its id.
 */
import { forget, keep, kept } from './session-storage';
import { utf8Bytes } from './utf8';

/**
 * To whom callbacks belong: `["<endpoint>","<user>"]`. They are only ever sent to that endpoint with a token of that user.
 * A symbol if the user isn't known (yet): those stay in memory.
 */
export type Owner = string | symbol;

export interface Waiting {
  id: string;
  owner: Owner;
  name: string;
  /** Its JSON, to the letter the same however often it is sent. */
  text: string;
  bytes: number;
}

const prefix = 'smile-relay ';
const ownerAt = prefix.length + 37;
const maxCallbacks = 200;
const maxBytes = 256 * 1024;

const waiting = new Map<string, Waiting>();

/** Queues a callback. Returns how many had to go to make room. */
export function add(owner: Owner, id: string, name: string, text: string): number {
  const callback = put(owner, id, name, text);
  store(callback);
  return makeRoom();
}

/** Takes in what an earlier page of this tab, or a frame that is gone, has left. Returns how many had to go to make room. */
export function adopt(): number {
  for (const [key, text] of kept(prefix)) {
    try {
      const { id, name } = JSON.parse(text);
      if (key.slice(prefix.length, ownerAt) !== `${id} `) throw new Error('not ours');
      if (!waiting.has(id)) put(key.slice(ownerAt), id, name, text);
    } catch {
      // Damaged: the relay would refuse it, and all that is sent with it.
      forget(key);
    }
  }
  return makeRoom();
}

/** The oldest of this owner: so many at most, and so many bytes, but one at least if there is one. */
export function oldest(owner: Owner, most: number, bytes: number): Waiting[] {
  const batch: Waiting[] = [];
  for (const callback of inOrder()) {
    if (callback.owner !== owner) continue;
    bytes -= callback.bytes + 1;
    if (batch.length && (bytes < 0 || batch.length >= most)) break;
    batch.push(callback);
  }
  return batch;
}

/** The relay has them, or never will. */
export function remove(ids: readonly string[]): void {
  for (const id of ids) {
    const callback = waiting.get(id);
    if (callback) forget(keyOf(callback));
    waiting.delete(id);
  }
}

/** It is now known whose they are. */
export function assign(from: Owner, to: Owner): void {
  for (const callback of waiting.values()) {
    if (callback.owner !== from) continue;
    callback.owner = to;
    store(callback);
  }
}

function put(owner: Owner, id: string, name: string, text: string): Waiting {
  const callback = { id, owner, name, text, bytes: utf8Bytes(text) };
  waiting.set(id, callback);
  return callback;
}

function makeRoom(): number {
  const callbacks = inOrder();
  let bytes = callbacks.reduce((sum, callback) => sum + callback.bytes, 0);
  let dropped = 0;
  for (; callbacks.length > maxCallbacks || bytes > maxBytes; dropped++) {
    // The oldest UI event, or else the oldest.
    const index = Math.max(0, callbacks.findIndex(({ name }) => name === 'onUIEvent'));
    const callback = callbacks.splice(index, 1)[0]!;
    bytes -= callback.bytes;
    remove([callback.id]);
  }
  return dropped;
}

/** Ids begin with the time, so their order is that of the callbacks, also across pages. */
function inOrder(): Waiting[] {
  return Array.from(waiting.values()).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function store(callback: Waiting): void {
  if (typeof callback.owner === 'string') keep(keyOf(callback), callback.text);
}

function keyOf({ id, owner }: Waiting): string {
  return `${prefix}${id} ${String(owner)}`;
}
