/** Fails if dist/ is not what the sources give. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const scripts = dirname(fileURLToPath(import.meta.url));
const committed = join(scripts, '..', 'dist');
const built = mkdtempSync(join(tmpdir(), 'bridge-dist-'));
try {
  execFileSync(process.execPath, [join(scripts, 'build.js'), built], { stdio: 'inherit' });
  const names = new Set([...readdirSync(committed), ...readdirSync(built)]);
  const differing = [...names].filter((name) => read(committed, name) !== read(built, name));
  if (differing.length) {
    console.error(
      `clients/bridge/dist is not what the sources give: ${differing.join(', ')}.\n` +
        'In clients/bridge, run `npm ci && npm run build`, and commit dist/ with the sources. ' +
        'A file that the build does not make has no place there.',
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(built, { recursive: true });
}

function read(directory, name) {
  try {
    return readFileSync(join(directory, name), 'latin1');
  } catch {
    return undefined;
  }
}
