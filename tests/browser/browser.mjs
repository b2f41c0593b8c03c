/** Headless Chromium, and a directory for all that a run of the tests leaves behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Makes a directory that is removed when this process ends, also by a signal. The browser's profile goes there as well. */
export function makeDirectory() {
  const directory = mkdtempSync(join(tmpdir(), 'web-test-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 10 }));
  // An exit, so that what is done at exit is done: relays are ended, the browser is, and the directory removed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
  process.env['TMPDIR'] = directory;
  return directory;
}

/**
 * Starts it. Every name of example.com is this machine there.
 *
 * @param {string} spki the public key that needs no authority, as makeCertificates tells it.
 */
export function launch(spki) {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'],
    chromiumSandbox: process.getuid() !== 0, // It refuses to have one for root.
    args: [
      '--disable-background-networking',
      '--disable-quic',
      '--host-resolver-rules=MAP *.example.com 127.0.0.1',
      `--ignore-certificate-errors-spki-list=${spki}`,
    ],
  });
}
