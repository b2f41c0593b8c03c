/**
 * Brings each call of `relayCallbacks` together with the channel that sends for its user.
 *
 * There is one channel for each owner in a page, however often `relayCallbacks` was called: two would send twice. The latest
 * call's token and onError are used, as its token is the freshest.
 */
import { newChannel, type Channel } from './channel';
import * as queue from './queue';
import type { Report } from './report';
import { subjectOf } from './token';

/** What a call of `relayCallbacks` brings. */
export interface Account {
  endpoint: string;
  /** Undefined until there is one, and after it was refused. */
  token: string | undefined;
  /** Gets another token; undefined if there is no way. */
  newToken: (() => Promise<unknown>) | undefined;
  report: Report;
  /** Sends what this account's widget reports. */
  channel?: Channel;
}

const channels = new Map<queue.Owner, Channel>();

/** Puts an account into the channel of its token's user, and begins to send what was left for it. */
export function open(account: Account): void {
  const before = account.channel;
  const owner = ownerOf(account);
  if (before?.owner === owner) return;
  const channel = channels.get(owner) || newChannel(owner, open);
  channels.set(owner, channel);
  account.channel = channel;
  channel.join(account);
  if (before) {
    // What waited for its first token is this user's. What another user's widget reported is not.
    if (typeof before.owner === 'symbol') queue.assign(before.owner, owner);
    if (before.leave(account)) channels.delete(before.owner);
  }
  channel.wake();
}

export function wakeAll(): void {
  channels.forEach((channel) => channel.wake());
}

export function flushAll(): void {
  channels.forEach((channel) => channel.flush());
}

function ownerOf({ endpoint, token, channel }: Account): queue.Owner {
  const user = token && subjectOf(token);
  if (user) return JSON.stringify([endpoint, user]);
  // Without a user a channel of its own, where nothing is stored; the same one with the next such token.
  return typeof channel?.owner === 'symbol' ? channel.owner : Symbol();
}
