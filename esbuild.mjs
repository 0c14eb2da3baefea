// Bundles the extension, the engine, the command line and the webviews into dist/.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { build, context } from 'esbuild';
import { webviewTarget } from './webview-ui/build.mjs';

const production = process.argv.includes('--production');
const watch = process.argv.includes('--watch');
const { version } = JSON.parse(await readFile('package.json', 'utf8'));

/** Native add-ons are optional everywhere we use them: their JavaScript fallbacks are taken. */
const withoutNativeAddons = {
  name: 'without-native-addons',
  setup(build) {
    build.onResolve({ filter: /\.node$|^cpu-features$|^pg-native$/ }, ({ path }) => ({
      path,
      namespace: 'no-addon',
    }));
    build.onLoad({ filter: /.*/, namespace: 'no-addon' }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not bundled`)});`,
    }));
  },
};

const common = {
  bundle: true,
  minify: production,
  sourcemap: !production,
  metafile: true,
  logLevel: 'warning',
  define: { __THIN_CLONES_VERSION__: JSON.stringify(version) },
};
const node = {
  ...common,
  platform: 'node',
  target: 'node22',
  plugins: [withoutNativeAddons],
};
// An ES module bundle has no `require`; CommonJS dependencies inside need one.
const esmRequire = {
  js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
};

const targets = [
  {
    ...node,
    entryPoints: { extension: 'src/extension.ts' },
    outdir: 'dist',
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    external: ['vscode'],
    // An ES module's own URL, spelled for CommonJS.
    banner: { js: "const __importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { ...common.define, 'import.meta.url': '__importMetaUrl' },
  },
  {
    ...node,
    entryPoints: { engine: 'engine/main.ts', 'thin-clones': 'engine/cli/main.ts' },
    outdir: 'dist',
    format: 'esm',
    splitting: true,
    chunkNames: 'engine-chunks/[name]-[hash]',
    outExtension: { '.js': '.mjs' },
    banner: esmRequire,
  },
  { ...common, ...webviewTarget('dist/webviews') },
].filter((target) => Object.values(target.entryPoints).every((file) => existsSync(file)));

await rm('dist', { recursive: true, force: true });
await mkdir('dist', { recursive: true });
if (watch) {
  for (const target of targets) await (await context(target)).watch();
} else {
  const results = await Promise.all(targets.map((target) => build(target)));
  const outputs = Object.assign({}, ...results.map((result) => result.metafile.outputs));
  const inputs = Object.assign({}, ...results.map((result) => result.metafile.inputs));
  await writeFile('dist/meta.json', JSON.stringify({ inputs, outputs }));
  // What tells two builds of one version apart.
  const digest = createHash('sha256');
  for (const file of Object.keys(outputs)
    .filter((name) => !name.endsWith('.map'))
    .sort())
    digest.update(await readFile(file));
  await writeFile('dist/build.json', JSON.stringify({ version, build: digest.digest('hex').slice(0, 16) }));
}
