import { open, readFile, rename, rm } from 'node:fs/promises';

/**
 * Keeps the place to resume from. An application that commits the cursor together with the event's effect does so in
 * its handler, and gives a store whose `save` does nothing.
 */
export interface CursorStore {
  /** The cursor kept, or undefined if there is none. Called once, when the subscription begins. */
  load(): string | undefined | Promise<string | undefined>;
  /** Keeps the cursor; one call at a time. An error ends the subscription with it. */
  save(cursor: string): void | Promise<void>;
}

/** Keeps the cursor as long as the process lives. */
export class MemoryCursorStore implements CursorStore {
  #cursor: string | undefined;

  /** @param cursor where to begin; as if it had been saved. */
  constructor(cursor?: string) {
    this.#cursor = cursor;
  }

  load(): string | undefined {
    return this.#cursor;
  }

  save(cursor: string): void {
    this.#cursor = cursor;
  }
}

/**
 * Keeps the cursor in a file, as text and a newline. The file is replaced as a whole: whatever happens while it is
 * saved, it holds the old cursor or the new one. One subscription a file.
 */
export class FileCursorStore implements CursorStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<string | undefined> {
    try {
      return (await readFile(this.#path, 'utf8')).trim() || undefined;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async save(cursor: string): Promise<void> {
    // Beside the target, as a rename is atomic only within a file system.
    const temporary = `${this.#path}.tmp`;
    try {
      const file = await open(temporary, 'w');
      try {
        await file.writeFile(`${cursor}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }
}
