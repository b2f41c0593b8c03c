/** Somebody with the page open, in a tab of their own: presses its buttons, and reads what it shows. */
import { eventually } from './eventually.mjs';

export class Visitor {
  #tab;
  /** What the browser's console said. */
  console = [];

  /** Opens a tab that shares nothing with others. */
  static async come(browser) {
    const visitor = new Visitor();
    visitor.#tab = await (await browser.newContext()).newPage();
    visitor.#tab.on('console', (message) => visitor.console.push(message.text()));
    visitor.#tab.on('pageerror', (error) => visitor.console.push(String(error)));
    return visitor;
  }

  leave() {
    return this.#tab.context().close();
  }

  /** Goes to the page on this origin, for this relay. */
  async open(origin, relay) {
    // A short heartbeat, so that a dead stream is soon noticed.
    await this.#tab.goto(`${origin}/?heartbeat=1&relay=${encodeURIComponent(relay)}`);
  }

  /** Reloads the page. */
  async reload() {
    await this.#tab.reload();
  }

  /** Begins, at 'place', 'latest' or 'earliest'. */
  async connect(start) {
    await this.#tab.getByLabel('Start').selectOption(start);
    await this.press('Connect');
  }

  async press(button) {
    await this.#tab.getByRole('button', { name: button }).click();
  }

  /** The events on the page, oldest first: what the table's cells say. */
  events() {
    return this.#tab.locator('#events').evaluate((body) =>
      [...body.rows].reverse().map((row) => {
        const [sequence, type, user, , income] = [...row.cells].map((cell) => cell.textContent);
        return { id: row.dataset.id, sequence, type, user, time: row.querySelector('time').dateTime, income };
      }),
    );
  }

  /** The elements in the table's cells, other than times: none, whatever the events say. */
  strangeElements() {
    return this.#tab.locator('#events td > *:not(time)').count();
  }

  /** The line that says how the connection is. */
  state() {
    return this.#tab.getByRole('status').textContent();
  }

  /** The question that the page asks, or undefined. */
  async question() {
    const dialog = this.#tab.getByRole('dialog', { name: 'Events may be missing' });
    return (await dialog.isVisible()) ? dialog.textContent() : undefined;
  }

  /** Waits until the page says so. */
  says(wanted) {
    return eventually(`the page says ${wanted}`, () => this.state(), (state) => wanted.test(state));
  }
}
