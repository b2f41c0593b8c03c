/** Time that passes when a test says so. */
export class Clock {
  now = Date.parse('2026-11-23T21:34:25.123Z');
  #timers = new Map<number, { at: number; run: () => void }>();
  #last = 0;

  setTimeout = (run: () => void, ms = 0): number => {
    this.#timers.set(++this.#last, { at: this.now + ms, run });
    return this.#last;
  };

  clearTimeout = (timer: number | undefined): void => {
    this.#timers.delete(timer ?? 0);
  };

  /** How long until the next timer fires; undefined if none is set. */
  get nextMs(): number | undefined {
    const next = Math.min(...[...this.#timers.values()].map(({ at }) => at));
    return Number.isFinite(next) ? next - this.now : undefined;
  }

  /** Lets time pass, and all that happens in it. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = due[1].at;
      due[1].run();
      await settled();
    }
    this.now = end;
  }
}

/** All that was begun and needs no time is done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}
