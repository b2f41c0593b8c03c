/** The plain script, for WebViews: `SmileRelay.relayCallbacks`. */
import { relayCallbacks } from './bridge';

// WebViews before Chromium 71 have no globalThis.
const root = (typeof globalThis === 'object' ? globalThis : self) as { SmileRelay?: object };
root.SmileRelay = { ...root.SmileRelay, relayCallbacks };
