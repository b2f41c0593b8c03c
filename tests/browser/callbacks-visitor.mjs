/** Somebody with the widget open, in a tab: what they do makes it call back. */
import assert from 'node:assert/strict';
import { eventually } from './eventually.mjs';
import { fireInPage } from './callbacks-page.mjs';

/** The nine that are documented. */
export const names = [
  'onAccountCreated', 'onAccountConnected', 'onAccountRemoved', 'onAccountError', 'onTokenExpired', 'onClose',
  'onUploadsCreated', 'onUploadsRemoved', 'onUIEvent',
];

export class WidgetVisitor {
  #tab;
  #publish;
  #scene;
  /** Of a duplicate: how many entries the browser copied. */
  copied = 0;
  /** What the browser's console said, with what the page let fall. */
  console = [];

  /**
   * Opens a tab.
   *
   * @param {(scene: object) => void} publish puts the pages for a scene where this visitor goes.
   * @param {object} scene what the page is to do: `relay`, the address of the relay; `token`, or without it `freshToken`,
   * a function that makes one; `throws`, if the page's own callbacks are to throw; `names` of those that it has.
   */
  static async come(context, publish, { freshToken, ...scene }) {
    const visitor = new WidgetVisitor(await context.newPage(), publish);
    if (freshToken) await visitor.#tab.exposeFunction('freshToken', freshToken);
    visitor.use({ names, ...scene });
    return visitor;
  }

  constructor(tab, publish) {
    this.#tab = tab;
    this.#publish = publish;
    tab.on('console', (message) => this.console.push(message.text()));
    tab.on('pageerror', (error) => this.console.push(`not caught: ${error}`));
  }

  /** What the page is to do otherwise, from its next load on. */
  use(scene) {
    this.#scene = { ...this.#scene, ...scene };
    this.#publish(this.#scene);
  }

  async open(address) {
    await this.#tab.goto(address);
    await this.#isOpen();
  }

  async reload() {
    await this.#tab.reload();
    await this.#isOpen();
  }

  /** Duplicates the tab, as browsers do: with a copy of what its storage holds. Opens the same page there. */
  async duplicate() {
    const [tab] = await Promise.all([
      this.#tab.waitForEvent('popup'),
      this.#tab.evaluate(() => void window.open('/left')),
    ]);
    const twin = new WidgetVisitor(tab, this.#publish);
    await tab.waitForURL('**/left');
    twin.copied = await tab.evaluate(() => sessionStorage.length);
    await twin.open(this.#tab.url());
    return twin;
  }

  /** The page removes the frame with the widget in it. */
  removeFrame() {
    return this.#tab.evaluate(() => document.querySelector('iframe').remove());
  }

  leave() {
    return this.#tab.close();
  }

  /** The frame with the widget in it. */
  get #frame() {
    return this.#tab.frames().at(-1);
  }

  #isOpen() {
    const ask = () => this.#frame.evaluate(() => globalThis.widget !== undefined).catch(() => false);
    return eventually('the widget is open', ask, true);
  }

  /** The widget calls back: each of `callbacks` is a name and arguments. The page's own have to run as if nobody listened. */
  async fire(...callbacks) {
    this.#isAsAlone(callbacks, await this.#frame.evaluate(fireInPage, callbacks));
  }

  #isAsAlone(callbacks, results, wanted = (name) => ({ returned: `from ${name}` })) {
    assert.deepEqual(
      results,
      callbacks.map(([name]) => ({
        ran: [{ name, isGivenTheSame: true, isCalledOnTheOptions: true }],
        outcome: wanted(name),
      })),
      "the page's own callbacks ran as if the bridge were not there",
    );
  }

  /** As `fire`, on a page whose own callbacks throw. */
  async fireInVain(...callbacks) {
    const results = await this.#frame.evaluate(fireInPage, callbacks);
    this.#isAsAlone(callbacks, results, (name) => ({ threw: `the page's own ${name}` }));
  }

  /** As `fire`, on a page that has none of its own. */
  async fireUnheard(...callbacks) {
    const results = await this.#frame.evaluate(fireInPage, callbacks);
    assert.deepEqual(results, callbacks.map(() => ({ ran: [], outcome: { returned: undefined } })));
  }

  /** Fires, and leaves in the same breath: to another page, or by closing the tab from within. */
  async fireAndLeave(how, ...callbacks) {
    const source = `(${leaveInPage})(${fireInPage}, ${JSON.stringify(how)}, ${JSON.stringify(callbacks)})`;
    const closed = how === 'close' ? this.#tab.waitForEvent('close') : this.#tab.waitForURL('**/left');
    // As a script of the page: an answer would not come, as the page is gone.
    await Promise.all([closed, this.#tab.evaluate((source) => void setTimeout(source), source)]);
    return callbacks;
  }

  /** What a page of this site left behind when it was left: to be asked of another tab. */
  async leftBehind(callbacks) {
    const left = () => this.#tab.evaluate(() => JSON.parse(localStorage.getItem('left')));
    this.#isAsAlone(callbacks, await eventually('something is left', left, (found) => found !== null));
    await this.#tab.evaluate(() => localStorage.removeItem('left'));
  }

  /** The kinds of trouble that the bridge told the page of. */
  troubles() {
    return this.#frame.evaluate(() => globalThis.page.troubles);
  }

  /** Waits until the bridge has told of this kind of trouble. */
  isTold(code) {
    return eventually(`the page is told ${code}`, () => this.troubles(), (codes) => codes.includes(code));
  }
}

/** Runs in the page. */
function leaveInPage(fireInPage, how, callbacks) {
  localStorage.setItem('left', JSON.stringify(fireInPage(callbacks)));
  if (how === 'close') window.close();
  else location.href = '/left';
}
