import type { CursorStore } from './cursor-store.js';

/** How often a quiet stream's checkpoints are saved. */
const checkpointIntervalMs = 1000;

/** The place up to which all is handled, and what the store knows of it. */
export class Progress {
  readonly #store: CursorStore;
  readonly #now: () => number;
  #cursor: string | undefined;
  #savedCursor: string | undefined;
  #savedAt = -Infinity;

  constructor(store: CursorStore, now = () => performance.now()) {
    this.#store = store;
    this.#now = now;
  }

  /** The cursor to resume from, or undefined if nothing was ever read. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  async load(): Promise<void> {
    // A store's "nothing" may be null or an empty column.
    this.#cursor = (await this.#store.load()) || undefined;
    this.#savedCursor = this.#cursor;
  }

  /** An event was handled: its cursor is kept at once. */
  async handled(cursor: string): Promise<void> {
    this.#cursor = cursor;
    await this.flush();
  }

  /** All before this checkpoint is handled. Kept at most once a second, as it only spares reading the past again. */
  async reached(cursor: string): Promise<void> {
    this.#cursor = cursor;
    if (this.#now() - this.#savedAt >= checkpointIntervalMs) await this.flush();
  }

  /** Forgets the place, as the application chose another. The store keeps the old one until there is a new one. */
  forget(): void {
    this.#cursor = undefined;
  }

  /** Continues after a cursor that the application chose. */
  jump(cursor: string): void {
    this.#cursor = cursor;
  }

  /** Saves what is not saved yet. */
  async flush(): Promise<void> {
    if (this.#cursor === undefined || this.#cursor === this.#savedCursor) return;
    await this.#store.save(this.#cursor);
    this.#savedCursor = this.#cursor;
    this.#savedAt = this.#now();
  }
}
