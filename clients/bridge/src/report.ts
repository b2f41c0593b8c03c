/** Tells the application about trouble: once per kind, and without ever causing more of it. */
import type { BridgeError, BridgeErrorCode } from './bridge';

export type Report = (code: BridgeErrorCode, message: string) => void;

export function reporter(onError: unknown): Report {
  const told = new Set<string>();
  return (code, message) => {
    if (told.has(code)) return;
    told.add(code);
    // A promise, to take care of an onError that throws, and of one that is async and rejects.
    new Promise((resolve) => {
      const error: BridgeError = Object.assign(new Error(`smile-relay-bridge: ${message}`), { code });
      resolve(typeof onError === 'function' ? onError(error) : console.warn(error.message));
    }).catch(() => {});
  };
}
