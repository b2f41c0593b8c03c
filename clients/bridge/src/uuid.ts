/** Makes the id by which the relay recognises a callback that is sent again. */

let lastMs = 0;
/** Counts within a millisecond: the 12 bits after the time. */
let counter = 0;

/**
 * A UUIDv7, lower case. Each sorts after all that this page made before, also if there are many in a millisecond or the
 * clock was set back.
 */
export function uuidv7(nowMs: number): string {
  const random = crypto.getRandomValues(new Uint8Array(10));
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Begins in the lower half, so that there is room to count.
    counter = (random[8]! << 3) | (random[9]! & 7);
  } else if (++counter > 0xfff) {
    lastMs++;
    counter = 0;
  }
  random[0] = (random[0]! & 0x3f) | 0x80;
  const tail = Array.from(random.subarray(0, 8), (byte) => hex(byte, 2)).join('');
  return (hex(lastMs, 12) + '7' + hex(counter, 3) + tail).replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
