/** Builds the bridge: `node scripts/build.js <directory>`. The same sources and package-lock.json give the same bytes. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const home = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = resolve(process.argv[2] ?? join(home, 'dist'));
const { name, version, license } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
mkdirSync(out, { recursive: true });

const common = {
  absWorkingDir: home,
  bundle: true,
  minify: true,
  charset: 'ascii',
  legalComments: 'none',
  banner: { js: `/*! ${name} ${version}, ${license} */` },
  logLevel: 'warning',
};
for (const [entry, format, target, file] of [
  ['src/bridge.ts', 'esm', 'es2020', 'bridge.js'],
  ['src/global.ts', 'iife', 'es2018', 'bridge.global.js'],
]) {
  await build({ ...common, entryPoints: [entry], format, target, outfile: join(out, file) });
}

const declarations = mkdtempSync(join(tmpdir(), 'bridge-declarations-'));
try {
  const tsc = join(home, 'node_modules', '.bin', 'tsc');
  const options = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', declarations];
  execFileSync(tsc, options, { cwd: home, stdio: 'inherit' });
  // The one file that says what is public. It needs none of the others.
  copyFileSync(join(declarations, 'bridge.d.ts'), join(out, 'bridge.d.ts'));
} finally {
  rmSync(declarations, { recursive: true });
}
