/** How esbuild bundles the pages: for the extension's dist/, and for tests that load a page from a folder of their own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The toolkit asks whether the browser knows `:focus-visible` by adding a <style> element, which the pages' policy
 * forbids: it would take the answer for no, and leave an error in the console. Every VS Code that we run in knows it.
 */
const withoutStyleElement = {
  name: 'without-style-element',
  setup(build) {
    build.onLoad({ filter: /fast-web-utilities[\\/]dist[\\/]dom\.js$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const question = 'let _canUseFocusVisible;';
      if (!text.includes(question))
        throw new Error(`${path} has changed: look for "canUseFocusVisible" in it.`);
      return { contents: text.replace(question, 'let _canUseFocusVisible = true;'), loader: 'js' };
    });
  },
};

export function webviewTarget(outdir) {
  return {
    entryPoints: {
      job: join(import.meta.dirname, 'jobs', 'main.ts'),
      details: join(import.meta.dirname, 'details', 'main.ts'),
    },
    outdir,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2022',
    loader: { '.css': 'css', '.ttf': 'file' },
    assetNames: '[name]',
    plugins: [withoutStyleElement],
  };
}
