/**
 * Notices that nothing was received for too long. It runs only while a message is being waited for: a handler that
 * takes its time is not the relay's silence.
 */
export class SilenceWatch {
  readonly #onSilence: (ms: number) => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;

  /** @param onSilence is called with the milliseconds that were waited for in vain. */
  constructor(onSilence: (ms: number) => void, now = () => performance.now()) {
    this.#onSilence = onSilence;
    this.#now = now;
  }

  /** Begins to wait. */
  start(ms: number): void {
    this.stop();
    const due = this.#now() + ms;
    this.#timer = setTimeout(() => {
      // A timer that fires late says that this process was held up (a blocked event loop, a suspended machine).
      // What was received meanwhile is not yet read, so give it the time to be.
      if (this.#now() - due > lateMs) this.start(graceMs);
      else this.#onSilence(ms);
    }, ms);
  }

  /** Something was received, or nobody waits any more. */
  stop(): void {
    clearTimeout(this.#timer);
  }
}

const lateMs = 250;
const graceMs = 1000;
