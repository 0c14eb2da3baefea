/** How esbuild bundles the pages: for the extension's dist/, and for tests that load a page from a folder of their own. */
import { join } from 'node:path';

export function webviewTarget(outdir) {
  return {
    entryPoints: { job: join(import.meta.dirname, 'jobs', 'main.ts') },
    outdir,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    loader: { '.css': 'css', '.ttf': 'file' },
    assetNames: '[name]',
  };
}
