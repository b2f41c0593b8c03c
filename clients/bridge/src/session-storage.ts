/** sessionStorage that never throws: sandboxed frames and some WebViews have none, and any may be full. */

function storage(): Storage | undefined {
  try {
    // null in an Android WebView without DOM storage.
    return sessionStorage || undefined;
  } catch {
    return undefined;
  }
}

export function keep(key: string, text: string): void {
  try {
    storage()?.setItem(key, text);
  } catch {
    // Full. What calls this has it in memory as well.
  }
}

export function forget(key: string): void {
  try {
    storage()?.removeItem(key);
  } catch {
    // Then it is sent once more after a reload, which does no harm.
  }
}

/** All entries whose keys begin with the prefix. */
export function kept(prefix: string): [key: string, text: string][] {
  const found: [string, string][] = [];
  try {
    const entries = storage();
    for (let index = 0; entries && index < entries.length; index++) {
      const key = entries.key(index);
      if (key?.startsWith(prefix)) found.push([key, entries.getItem(key) ?? '']);
    }
  } catch {
    // What was found until then is right.
  }
  return found;
}
