/** Sends the callbacks of one owner: in order, one batch at a time, until the relay has them. */
import type { Account } from './account';
import { delayMs } from './backoff';
import type { Callback } from './callback';
import * as queue from './queue';
import { beacon, bodyOf, post, type Verdict } from './relay';
import { utf8Bytes } from './utf8';
import { within } from './within';

export interface Channel {
  owner: queue.Owner;
  add(callback: Callback): void;
  /** The page is in sight, or online, again, or there is another account: tries at once. */
  wake(): void;
  /** The page may be gone at any moment: sends what fits in a way that outlives it. */
  flush(): void;
  /** From now on sends with this account's token. */
  join(account: Account): void;
  /** Ends, if it sends with this account's token: that is another user's now. */
  leave(account: Account): boolean;
}

const tokenWithinMs = 30_000;
const maxBatch = 50;
/** Of the whole body. Browsers let 65,536 through after the page is gone, and the relay takes as many. */
const maxBodyBytes = 60_000;

/** @param open is told when an account has another token; it may belong to another channel then. */
export function newChannel(owner: queue.Owner, open: (account: Account) => void): Channel {
  let account: Account;
  let busy = false;
  /** Something came up since the queue was last looked at. */
  let again = false;
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** The relay said when to come again: being online doesn't shorten that. */
  let told = false;
  /** Attempts in a row that failed. */
  let failures = 0;
  /** Tokens in a row that were refused. */
  let refusals = 0;
  let most = maxBatch;
  /** The last id that went with a beacon, since the page was last in sight. */
  let flushed: string | undefined;

  async function run(): Promise<void> {
    again = true;
    if (busy) return;
    busy = true;
    // What is reported in the same turn of the page goes together.
    await undefined;
    while (again) {
      again = false;
      while (!stopped && !timer && (await (account.token ? send(account, account.token) : renew(account))));
    }
    busy = false;
  }

  /** True if there may be more to do. */
  async function send(sender: Account, token: string): Promise<boolean> {
    const batch = nextBatch(token);
    if (!batch.length) return false;
    const verdict = await post(sender.endpoint, bodyOf(token, batch));
    const ids = batch.map(({ id }) => id);
    const { action } = verdict;
    if (action === 'stored') {
      failures = refusals = 0;
      return remove(ids);
    }
    if (action === 'retry') return later(verdict);
    if (action === 'split' || action === 'drop') {
      const named = ids.filter((id) => verdict.ids.includes(id));
      // Nothing is named: halves find the one that can't be taken, so that no other is lost.
      if (!named.length && ids.length > 1) return !!(most = ids.length >> 1);
      tell(verdict, 'Dropped.');
      return remove(named.length ? named : ids);
    }
    // Another call may have brought a better token meanwhile.
    if (sender !== account) return true;
    if (action === 'renew' && sender.newToken) {
      sender.token = undefined;
      // The first is what becomes of every token with time, and no trouble.
      return !refusals++ || later(verdict);
    }
    stopped = true;
    tell(verdict, 'Stopped.');
    return false;
  }

  async function renew(asked: Account): Promise<boolean> {
    try {
      const token = await within(tokenWithinMs, asked.newToken!());
      if (typeof token !== 'string' || !token) throw new Error('no text');
      asked.token = token;
      open(asked);
      return true;
    } catch (error) {
      return later({ code: 'no_token', message: `the token function failed (${error})`, waitMs: 0 });
    }
  }

  function later(trouble: Pick<Verdict, 'code' | 'message' | 'waitMs'>): false {
    tell(trouble, 'Trying again.');
    told = trouble.waitMs > 0;
    timer = setTimeout(tryAgain, delayMs(++failures, trouble.waitMs));
    return false;
  }

  function tryAgain(): void {
    clearTimeout(timer!);
    timer = undefined;
    void run();
  }

  function remove(ids: string[]): true {
    queue.remove(ids);
    most = maxBatch;
    return true;
  }

  function nextBatch(token: string): queue.Waiting[] {
    return queue.oldest(owner, most, maxBodyBytes - utf8Bytes(bodyOf(token, [])));
  }

  function tell({ code, message }: Pick<Verdict, 'code' | 'message'>, outcome: string): void {
    account.report(code, `${message}. ${outcome}`);
  }

  function tellDropped(count: number): void {
    if (count) account.report('queue_full', 'too much waits to be sent. Dropped some.');
  }

  return {
    owner,
    add({ id, name, text, isCut }) {
      if (isCut) account.report('too_large', `the arguments of ${name} are too large, and were left out`);
      tellDropped(queue.add(owner, id, name, text));
      void run();
    },
    wake() {
      flushed = undefined;
      tellDropped(queue.adopt());
      if (!timer || !told) tryAgain();
    },
    flush() {
      const { endpoint, token } = account;
      if (stopped || !token) return;
      let batch = nextBatch(token);
      const last = batch[batch.length - 1]?.id;
      // Nobody learns whether it arrives, so it stays in the queue. Being hidden and then gone needs one beacon only.
      if (last === flushed) return;
      flushed = last;
      // Refused if it doesn't fit beside what is on its way already, which is the oldest.
      while (batch.length && !beacon(endpoint, bodyOf(token, batch))) {
        batch = batch.slice(Math.ceil(batch.length / 2));
      }
    },
    join(newest) {
      account = newest;
      stopped = false;
      refusals = 0;
    },
    leave(gone) {
      stopped = stopped || gone === account;
      return gone === account;
    },
  };
}
