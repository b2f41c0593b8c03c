/** Writes down what the widget passed, whatever it is. */

/** How deep and how much is looked at. What lies beyond becomes null: an element of a page can lead to the whole page. */
const maxDepth = 32;
const maxValues = 10_000;

/**
 * The arguments as a JSON array. Like `JSON.stringify`, but it never throws: functions, symbols, cycles and what can't be
 * read become null, a BigInt becomes text, and half a surrogate pair, which is no text to others, becomes U+FFFD.
 * `undefined` becomes null, and is left out at the end.
 */
export function argumentsJson(args: readonly unknown[]): string {
  const inside: object[] = [];
  let values = 0;

  function json(value: unknown): string {
    if (typeof value === 'string' || typeof value === 'bigint') return textJson(String(value));
    if (typeof value === 'number' || typeof value === 'boolean') return JSON.stringify(value);
    if (typeof value !== 'object' || !value || inside.length > maxDepth || inside.includes(value)) return 'null';
    inside.push(value);
    try {
      return objectJson(value as Record<string, unknown>);
    } catch {
      // Another origin's window, a revoked proxy, a toJSON that throws.
      return 'null';
    } finally {
      inside.pop();
    }
  }

  function objectJson(object: Record<string, unknown>): string {
    if (typeof object.toJSON === 'function') return json(object.toJSON());
    const keys = Array.isArray(object) ? undefined : Object.keys(object);
    values += (keys || object).length as number;
    if (values > maxValues) return 'null';
    if (!keys) return `[${Array.from(object as unknown as unknown[], json)}]`;
    return `{${keys.map((key) => member(object, key)).filter(Boolean)}}`;
  }

  function member(object: Record<string, unknown>, key: string): string {
    let value: unknown = null;
    try {
      value = object[key];
    } catch {
      // A getter that throws: null.
    }
    return value === undefined ? '' : `${textJson(key)}:${json(value)}`;
  }

  let end = args.length;
  while (end && args[end - 1] === undefined) end--;
  return json(args.slice(0, end));
}

function textJson(text: string): string {
  // With the u flag, this finds only surrogates that stand alone.
  return JSON.stringify(text.replace(/[\ud800-\udfff]/gu, '\ufffd'));
}
