/** Learns from the browser when to hurry and when to try again. */
let watching = false;

/** Watches this page, once. */
export function watchPage(wake: () => void, flush: () => void): void {
  if (watching) return;
  watching = true;
  addEventListener('online', wake);
  // Also when the page comes back as it was, from the browser's back-forward cache.
  addEventListener('pageshow', wake);
  addEventListener('pagehide', flush);
  // On a phone this is often the last that a page learns.
  document.addEventListener('visibilitychange', () => (document.visibilityState === 'hidden' ? flush() : wake()));
}
