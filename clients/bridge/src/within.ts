/** The promise's outcome, or a rejection if there is none in time; `onLate` is then called before. */
export function within<T>(ms: number, promise: PromiseLike<T>, onLate?: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      onLate?.();
      reject(new Error(`no answer within ${ms / 1000} s`));
    }, ms);
    const settled = () => clearTimeout(timer);
    promise.then(resolve, reject);
    promise.then(settled, settled);
  });
}
