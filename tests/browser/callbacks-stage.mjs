/** What a test has at hand: a relay, a site whose pages open the widget, a subscriber, and tabs of one browser's profile. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { Middle } from './callbacks-middle.mjs';
import { sharedFiles, widgetPages } from './callbacks-page.mjs';
import { linked, received, user, wanted } from './callbacks-shapes.mjs';
import { WidgetVisitor } from './callbacks-visitor.mjs';
import { eventually } from './eventually.mjs';
import { Relay } from './relay.mjs';
import { serveFiles } from './site.mjs';

const label = 'a session';
const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class Stage {
  /** When it began. */
  #start = Date.now();
  #certificates;
  #cleanups = [];
  #visitors = [];
  #relays = [];
  /** What the subscriber was given so far. */
  #known = [];
  /** What the site has, by path. */
  files = sharedFiles();

  /**
   * Sets one up. It has to be struck whatever comes, also when this fails.
   *
   * @param {(origin: string) => string[]} origins of the relay's configuration, for the origin of the site.
   */
  async set(browser, certificates, origins) {
    this.#certificates = certificates;
    const directory = mkdtempSync(join(process.env['TMPDIR'], 'stage-'));
    const key = join(directory, 'callback-key');
    writeFileSync(key, randomBytes(32).toString('hex'));
    const site = await serveFiles(this.files, certificates);
    this.#cleanups.push(() => site.close());
    this.origin = `https://app.example.com:${site.port}`;
    // The same pages from the same machine, under another name.
    this.stranger = `https://127.0.0.1:${site.port}`;
    const flags = ['--callback-key-file', key, ...origins(this.origin).flatMap((origin) => ['--callback-origin', origin])];
    this.relay = await Relay.start({ directory, publicTls: certificates, flags });
    this.#relays.push(this.relay);
    this.#cleanups.push(() => this.relay.end('SIGKILL'));
    this.subscriber = this.relay.followCallbacks();
    this.#cleanups.push(() => this.subscriber.stop());
    this.context = await browser.newContext();
    this.#cleanups.push(() => this.context.close());
    this.url = `https://relay.example.com:${this.relay.addresses.public.split(':').at(-1)}`;
  }

  async strike() {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }

  /** Puts somebody between the relay and the pages that are opened from now on. */
  async interpose() {
    const middle = await Middle.start(this.#certificates, this.relay.addresses.public);
    this.#cleanups.push(() => middle.close());
    this.url = `https://relay.example.com:${middle.port}`;
    return middle;
  }

  async restart() {
    this.relay = await this.relay.again();
    this.#relays.push(this.relay);
  }

  /** A token for the user that outlives the test. */
  async token(request = {}) {
    return (await this.relay.createToken({ userId: user, timeToLive: '600s', sessionLabel: label, ...request })).token;
  }

  /** Opens a page with the widget, in a tab of its own. */
  async come({ page = 'module', origin = this.origin, ...scene } = {}) {
    if (!scene.token && !scene.freshToken) scene.token = await this.token();
    const home = `/tab-${this.#visitors.length + 1}`;
    const publish = (scene) => {
      for (const [name, file] of widgetPages(this.origin, scene)) this.files.set(`${home}/${name}`, file);
    };
    const visitor = await WidgetVisitor.come(this.context, publish, { relay: this.url, ...scene });
    this.#visitors.push(visitor);
    await visitor.open(`${origin}${home}/${page}`);
    return visitor;
  }

  /**
   * The subscriber is given exactly these after those before, in this order, each reported from this origin under an id of
   * this form: by default, as the bridge reports on the site's pages.
   */
  async receives(expected, by) {
    const more = await this.receivesSome(expected.length, by);
    assert.deepEqual(more.map(received), expected);
  }

  /** The subscriber is given so many more: returns them, the oldest first. */
  async receivesSome(count, { origin = this.origin, form = uuid7 } = {}) {
    const enough = this.#known.length + count;
    const { events } = this.subscriber;
    await eventually(`${enough} callbacks are received`, () => events.length, (length) => length >= enough);
    const more = events.slice(this.#known.length);
    for (const event of more) this.#isWellReported(event, origin, form);
    this.#known = [...events];
    const ids = new Set(this.#known.map(({ id }) => id));
    assert.equal(ids.size, this.#known.length, 'no id comes twice');
    return more;
  }

  #isWellReported({ id, source, endpoint, userId, report, receivedAt }, origin, form) {
    assert.deepEqual(
      [source, endpoint, userId, report.origin ?? '', report.sessionLabel],
      ['EVENT_SOURCE_WIDGET', 'callbacks', user, origin, label],
    );
    assert.match(report.id, form);
    assert.equal(id, `${user}/${report.id}`);
    const occurredAt = Date.parse(report.occurredAt);
    assert.ok(occurredAt >= this.#start && occurredAt <= Date.parse(receivedAt) + 1, `it occurred at ${report.occurredAt}`);
  }

  /** A token of the user's that the relay refuses by now. */
  async expiredToken() {
    const { token, expiresAt } = await this.relay.createToken({ userId: user, timeToLive: '1s', sessionLabel: label });
    await eventually('the token has expired', () => Date.now() - expiresAt, (age) => age > 0);
    return token;
  }

  /** An app's own HTTP, as far as it is needed of `fetch`. It has no origin to send. */
  async nativeFetch(url, { method, headers, body }) {
    const [host, port] = this.relay.addresses.public.split(':');
    const ca = readFileSync(this.#certificates.ca);
    const sent = request({ host, port, ca, method, path: new URL(url).pathname, headers }).end(body);
    const [answer] = await once(sent, 'response');
    answer.resume();
    return { status: answer.statusCode };
  }

  /** Waits until a page sends a report. */
  nextReport() {
    return this.context.waitForEvent('request', (request) => request.url() === `${this.url}/callbacks/v1/events`);
  }

  /** The relay refuses something with this code. */
  async refuses(code) {
    // It is not there before the first.
    const count = () => this.relay.metric(`smile_relay_callback_reports_total{result="${code}"}`).catch(() => 0);
    await eventually(`the relay refuses: ${code}`, count, (refused) => refused > 0);
  }

  /** What is reported last comes after everything else that a page sends again: so nothing is on its way. */
  async receivesNoMore() {
    const last = await this.come({ token: await this.token() });
    await last.fire(linked('the last'));
    await this.receives(wanted([linked('the last')]));
  }

  describe() {
    for (const [at, { console: said }] of this.#visitors.entries()) {
      console.log(`--- the console of tab ${at + 1}: ${said.join('\n')}`);
    }
    console.log(`--- received: ${this.subscriber?.events.map((event) => JSON.stringify(event)).join('\n')}`);
    console.log(`--- the subscriber said: ${this.subscriber?.log.join('\n')}`);
    for (const { pid, log } of this.#relays) console.log(`--- relay ${pid} said:\n${log.join('\n')}`);
  }
}
