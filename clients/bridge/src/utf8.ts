/** How many bytes a text takes when it is sent. */
export function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
