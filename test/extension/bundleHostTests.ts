/** Bundles the tests that run inside the extension host, because that host does not read TypeScript. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const checkout = join(import.meta.dirname, '..', '..');

/** Answers the module that VS Code is told to run (its `extensionTestsPath`). */
export async function bundleHostTests(): Promise<string> {
  const source = join(import.meta.dirname, 'host');
  // Inside the extension's own folder: VS Code decides by the folder which extension's API `vscode` stands for.
  const target = join(checkout, 'out', 'extension-tests');
  await rm(target, { recursive: true, force: true });
  const tests = (await readdir(source)).filter((name) => name.endsWith('.test.ts'));
  await build({
    entryPoints: ['index.ts', ...tests].map((name) => join(source, name)),
    outdir: target,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return join(target, 'index.cjs');
}
