/** A timer that fires this late says that the page was held up (hidden, frozen, the machine asleep)... */
const lateMs = 250;
/** ...so what came meanwhile is given this time to be read, once. */
const graceMs = 1000;

/** Notices that nothing was received for too long. */
export class SilenceWatch {
  readonly #onSilence: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence;
  }

  /** Waits for something within so many milliseconds, from now on. */
  expect(ms: number): void {
    this.stop();
    const due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      if (performance.now() - due > lateMs) this.#timer = setTimeout(this.#onSilence, graceMs);
      else this.#onSilence();
    }, ms);
  }

  /** Waits no more. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}
