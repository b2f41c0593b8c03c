/** A page with what the bridge needs of a browser, in a realm of its own, with the built script in it. */
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import type { BridgeError, relayCallbacks, RelayCallbacksOptions } from 'smile-relay-bridge';
import { Clock, settled } from './clock';

export const scripts = ['bridge.js', 'bridge.global.js'] as const;
export const relayUrl = 'https://relay.example';

export interface Sent {
  url: string;
  init: RequestInit;
  body: { token: string; callbacks: SentCallback[] };
}

export interface SentCallback {
  id: string;
  name: string;
  arguments?: unknown;
  occurredAt: string;
  argumentsOmitted?: boolean;
}

type Answer = (sent: Sent) => Response | Promise<Response>;

export interface Setting {
  script: (typeof scripts)[number];
  clock?: Clock;
  storage?: Partial<Storage> | null | (() => never);
  answer?: Answer;
  /** Deletes and replaces globals before the script runs. */
  globals?: Record<string, unknown>;
}

export class Page {
  readonly sent: Sent[] = [];
  readonly beacons: Sent[] = [];
  readonly errors: BridgeError[] = [];
  readonly warnings: unknown[] = [];
  /** How many fetches are under way, and were at most at once. */
  inFlight = 0;
  mostInFlight = 0;
  visibility = 'visible';
  answer: Answer;
  beaconFits: (body: string) => boolean = () => true;
  readonly clock: Clock;
  relayCallbacks!: typeof relayCallbacks;
  realm!: vm.Context;
  readonly #listeners = new Map<string, ((event: unknown) => void)[]>();

  private constructor(setting: Setting) {
    this.clock = setting.clock ?? new Clock();
    this.answer = setting.answer ?? (() => stored());
  }

  static async load(setting: Setting): Promise<Page> {
    const page = new Page(setting);
    await page.#run(setting);
    return page;
  }

  async #run({ script, storage, globals = {} }: Setting): Promise<void> {
    const listen = (name: string, listener: (event: unknown) => void) =>
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    const page = this;
    const realm = vm.createContext({
      URL, TextEncoder, AbortController, crypto, atob,
      fetch: (url: string, init: RequestInit) => this.#fetch(url, init),
      navigator: { sendBeacon: (url: string, body: string) => this.#beacon(url, body) },
      document: {
        baseURI: 'https://shop.example/checkout',
        get visibilityState() { return page.visibility; },
        addEventListener: listen,
      },
      addEventListener: listen,
      setTimeout: this.clock.setTimeout,
      clearTimeout: this.clock.clearTimeout,
      console: { warn: (text: unknown) => this.warnings.push(text) },
      now: () => this.clock.now,
      ...globals,
    });
    const store = storage === undefined ? sessionStorage() : storage;
    Object.defineProperty(realm, 'sessionStorage', { get: () => (typeof store === 'function' ? store() : store) });
    // The middle of each range, unless a test has its own.
    vm.runInContext('self = window = this; Date.now = now; Math.random = () => 0.5', realm);
    this.realm = realm;
    const code = readFileSync(new URL(`../dist/${script}`, import.meta.url), 'utf8');
    if (script === 'bridge.global.js') {
      vm.runInContext(code, realm);
      this.relayCallbacks = vm.runInContext('self.SmileRelay.relayCallbacks', realm);
    } else {
      const module = new vm.SourceTextModule(code, { context: realm });
      await module.link(() => { throw new Error('the module imports something'); });
      await module.evaluate();
      this.relayCallbacks = (module.namespace as { relayCallbacks: typeof relayCallbacks }).relayCallbacks;
    }
  }

  /** The callbacks, by default for user-1. */
  bridge(options: Partial<RelayCallbacksOptions> = {}) {
    return this.relayCallbacks({ url: relayUrl, token: jwt('user-1'), onError: (error) => this.errors.push(error), ...options });
  }

  /** Something happens to the page. */
  async happen(name: string, event: object = {}): Promise<void> {
    for (const listener of this.#listeners.get(name) ?? []) listener(event);
    await settled();
  }

  async show(visibility: 'visible' | 'hidden'): Promise<void> {
    this.visibility = visibility;
    await this.happen('visibilitychange');
  }

  get listeners(): number {
    return [...this.#listeners.values()].flat().length;
  }

  get codes(): string[] {
    return this.errors.map(({ code }) => code);
  }

  get names(): string[][] {
    return this.sent.map(({ body }) => body.callbacks.map(({ name }) => name));
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const sent = { url, init, body: JSON.parse(init.body as string) };
    this.sent.push(sent);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.inFlight);
    try {
      return await this.answer(sent);
    } finally {
      this.inFlight--;
    }
  }

  #beacon(url: string, body: string): boolean {
    if (!this.beaconFits(body)) return false;
    this.beacons.push({ url, init: { body }, body: JSON.parse(body) });
    return true;
  }
}

/** sessionStorage of a tab, with what a test looks at. */
export function sessionStorage(entries = new Map<string, string>()) {
  return {
    entries,
    get length() { return entries.size; },
    key: (index: number) => [...entries.keys()][index] ?? null,
    getItem: (key: string) => entries.get(key) ?? null,
    setItem: (key: string, value: string) => void entries.set(key, value),
    removeItem: (key: string) => void entries.delete(key),
  };
}

export function jwt(sub: string, more: object = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ sub, ...more })}.c2lnbmF0dXJl`;
}

export const stored = () => new Response('{"status":"stored"}', { headers: { 'Content-Type': 'application/json' } });

export function refused(status: number, code: string, more: { ids?: string[]; retryAfter?: number } = {}): Response {
  const headers = more.retryAfter === undefined ? {} : { 'Retry-After': String(more.retryAfter) };
  const error = { code, message: `because of ${code}`, ...(more.ids && { ids: more.ids }) };
  return new Response(JSON.stringify({ error }), { status, headers });
}

export const unreachable = () => Promise.reject(new TypeError('Failed to fetch'));

/** An answer that a test gives when it likes. */
export function later(): { answer: Answer; give: (response: Response) => Promise<void>; fail: () => Promise<void> } {
  let settle!: { resolve: (response: Response) => void; reject: (error: Error) => void };
  const promise = new Promise<Response>((resolve, reject) => (settle = { resolve, reject }));
  return {
    answer: () => promise,
    give: (response) => (settle.resolve(response), settled()),
    fail: () => (settle.reject(new TypeError('Failed to fetch')), settled()),
  };
}
