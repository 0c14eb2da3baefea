// Bundles the extension, the engine, the command line and the webviews into dist/.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { build, context } from 'esbuild';
import { extensionTarget } from './src/build.mjs';
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

/** What zod writes JSON schemas with, 9 kB of what VS Code reads at each start: the extension writes none. */
const withoutJsonSchemas = {
  name: 'without-json-schemas',
  setup(build) {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]core[\\/]json-schema-processors\.js$/ }, async ({ path }) => {
      const exported = (await readFile(path, 'utf8')).matchAll(/^export (?:const|function) (\w+)/gm);
      return { contents: [...exported].map(([, name]) => `export const ${name} = undefined;`).join('\n') };
    });
  },
};

/**
 * Node's own modules when something of them is used. An import statement loads a module at once and reads all its exports,
 * and those of node:http that are made on demand load undici: 50 ms and some MB in Node 24.
 */
const builtinsOnDemand = {
  name: 'builtins-on-demand',
  setup(build) {
    build.onResolve({ filter: /^[a-z_:0-9/]+$/ }, ({ path, kind }) => {
      if (!isBuiltin(path)) return undefined;
      return kind === 'require-call' ? { path, external: true } : { path, namespace: 'builtin' };
    });
    // Behind the exports and not among them: what is made of a module copies its own names one by one.
    build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
      contents: `let loaded;
const get = (_, name) => (name === '__esModule' ? undefined : (loaded ??= require(${JSON.stringify(path)}))[name]);
module.exports = Object.create(new Proxy({}, { get }));`,
    }));
  },
};

/** The contract as data: bundles check what the engine answers without zod, and without the schemas. */
const compactContract = {
  name: 'compact-contract',
  setup(build) {
    const folder = join(import.meta.dirname, 'engine', 'protocol');
    build.onResolve({ filter: /^\.\/answers\.ts$/ }, ({ importer }) =>
      importer === join(folder, 'client.ts') ? { path: join(folder, 'compact', 'answers.ts') } : undefined,
    );
    build.onLoad({ filter: /[\\/]compact[\\/]contract\.ts$/ }, async () => ({
      // To parse text is several times faster than to run the same as code.
      contents: `export const contract = JSON.parse(${JSON.stringify(JSON.stringify(await describeContract()))});`,
    }));
  },
};

/** What the schemas say, by the module that writes it down; the Node that builds may not run TypeScript. */
async function describeContract() {
  const entryPoints = [join(import.meta.dirname, 'engine', 'protocol', 'compact', 'describe.ts')];
  const { outputFiles } = await build({ entryPoints, bundle: true, write: false, format: 'esm' });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  return (await import(`data:text/javascript;base64,${code}`)).describeContract();
}

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

/** What the command line loads only when it is needed: files of their own beside it, by the modules that they are made of. */
const separateParts = {
  'engine/main.ts': 'engine.mjs',
  'engine/cli/terminal.ts': 'engine-chunks/cli.mjs',
  'engine/cli/bridge.ts': 'engine-chunks/bridge.mjs',
  'engine/cli/givenPasswords.ts': 'engine-chunks/given-passwords.mjs',
  'engine/config/configFile.ts': 'engine-chunks/config-file.mjs',
  'engine/protocol/answers.ts': 'engine-chunks/answers.mjs',
  'engine/protocol/configFile.ts': 'engine-chunks/config-schema.mjs',
};
const apart = (entry) => ({
  name: 'separate-parts',
  setup(build) {
    build.onResolve({ filter: /\.ts$/ }, ({ path, kind, resolveDir }) => {
      const module = relative(import.meta.dirname, join(resolveDir, path)).replaceAll('\\', '/');
      const part = separateParts[module];
      if (kind !== 'dynamic-import' || part === undefined) return undefined;
      const from = dirname(separateParts[entry] ?? '');
      const target = relative(from, part).replaceAll('\\', '/');
      return { path: target.startsWith('.') ? target : `./${target}`, external: true };
    });
  },
});
/** Those of them that are built as one, and share what they have in common. */
const sharedParts = Object.fromEntries(
  Object.entries(separateParts)
    .filter(([module]) => module !== 'engine/cli/terminal.ts')
    .map(([module, file]) => [file.slice(0, -'.mjs'.length), module]),
);
/** One file, in which a module runs when it is first imported: every further file takes as long as a command has to spare. */
const commandLineTarget = (entry, name) => ({
  ...node,
  plugins: [withoutNativeAddons, builtinsOnDemand, compactContract, apart(entry)],
  entryPoints: { [name]: entry },
  outdir: 'dist',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  banner: esmRequire,
});

const targets = [
  extensionTarget({ ...node, plugins: [...node.plugins, withoutJsonSchemas] }, 'dist'),
  {
    ...node,
    plugins: [withoutNativeAddons, builtinsOnDemand, compactContract],
    entryPoints: sharedParts,
    outdir: 'dist',
    format: 'esm',
    splitting: true,
    chunkNames: 'engine-chunks/[name]-[hash]',
    outExtension: { '.js': '.mjs' },
    banner: esmRequire,
  },
  commandLineTarget('engine/cli/main.ts', 'thin-clones'),
  commandLineTarget('engine/cli/terminal.ts', 'engine-chunks/cli'),
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
