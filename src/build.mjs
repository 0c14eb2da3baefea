/**
 * How esbuild bundles the extension: what VS Code reads when it activates it, and the commands in a file of their own,
 * which is read when the first one runs.
 *
 * esbuild shares code between files only as ES modules, which VS Code 1.103 does not load. So they are made first, in
 * memory: both parts, and a third one with what they have in common. Then that one becomes a part of extension.cjs, where
 * the commands find it.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

/** The only module that is loaded from another file; imports of others stay where they are, and only run on demand. */
const apart = './commandTable.ts';
const files = { 'extension.js': 'extension', 'commands.js': 'extension-commands' };

/** An import on demand that loads no further file. */
const withinTheFile = {
  name: 'within-the-file',
  setup(build) {
    build.onLoad({ filter: /[\\/](src|engine[\\/]protocol|webview-ui)[\\/].*\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replaceAll(
        /(?<!typeof )\bimport\('(\.[^']+)'\)/g,
        (found, module) => (module === apart ? found : `Promise.resolve().then(() => require('${module}'))`),
      ),
      loader: 'ts',
    }));
  },
};

/** Makes the files of VS Code's kind out of the modules. */
function linked(modules, { minify, sourcemap, outdir }) {
  const plugin = {
    name: 'linked',
    setup(build) {
      build.onResolve({ filter: /\.js$/ }, ({ path, importer, kind }) => {
        const name = basename(path);
        if (!modules.has(name)) return undefined;
        if (kind === 'entry-point') return { path };
        if (name in files) return { path: `./${files[name]}.cjs`, external: true };
        return basename(importer) === 'commands.js'
          ? { path: './extension.cjs', external: true }
          : { path: join(dirname(importer), name) };
      });
      build.onLoad({ filter: /\.js$/ }, ({ path }) => {
        const text = modules.get(basename(path));
        if (text === undefined) return undefined;
        if (basename(path) !== 'extension.js') return { contents: text };
        const shared = [...modules.keys()].filter((name) => !(name in files));
        return { contents: [...shared.map((name) => `export * from './${name}';`), text].join('\n') };
      });
    },
  };
  return build({
    bundle: true,
    minify,
    sourcemap,
    outdir,
    entryPoints: Object.fromEntries(
      Object.entries(files).map(([module, file]) => [file, join(import.meta.dirname, '..', outdir, module)]),
    ),
    plugins: [plugin],
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    // Also what is loaded on demand is loaded as CommonJS: the same instance, and in every VS Code.
    supported: { 'dynamic-import': false },
    external: ['vscode'],
    // An ES module's own URL, spelled for CommonJS.
    banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
    metafile: true,
    logLevel: 'warning',
  });
}

/** `options`: what the bundles of Node have in common. */
export function extensionTarget({ minify, sourcemap, plugins, define, ...options }, outdir) {
  const link = {
    name: 'link',
    setup(build) {
      build.onEnd(async (result) => {
        if (result.errors.length > 0) return;
        const modules = new Map(result.outputFiles.map(({ path, text }) => [basename(path), text]));
        const { metafile } = await linked(modules, { minify, sourcemap, outdir });
        result.metafile.outputs = metafile.outputs;
      });
    },
  };
  return {
    ...options,
    plugins: [...plugins, withinTheFile, link],
    entryPoints: {
      extension: join(import.meta.dirname, 'extension.ts'),
      commands: join(import.meta.dirname, 'commands', 'commandTable.ts'),
    },
    outdir,
    write: false,
    format: 'esm',
    splitting: true,
    sourcemap: sourcemap ? 'inline' : false,
    external: ['vscode'],
    define: { ...define, 'import.meta.url': '__importMetaUrl' },
  };
}
