/** Where the cursor of the last event shown is kept. */
export interface Place {
  load(): string | undefined;
  save(cursor: string): void;
}

/**
 * The place in the log of the relay at `address`, for this tab: it outlives a reload, and ends with the tab. A cursor says
 * nothing about anybody, so it may lie there. Where the browser forbids to store anything, it is kept as long as the page.
 */
export function placeInTab(address: string): Place {
  const key = `smile-relay cursor ${address}`;
  let cursor: string | undefined;
  try {
    cursor = sessionStorage.getItem(key) ?? undefined;
  } catch {
    // Forbidden, or full below: memory has to do.
  }
  return {
    load: () => cursor,
    save(next) {
      cursor = next;
      try {
        sessionStorage.setItem(key, next);
      } catch {
        // As above.
      }
    },
  };
}
