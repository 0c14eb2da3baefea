import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { build, type Metafile } from 'esbuild';
import ts from 'typescript';

const root = join(import.meta.dirname, '..', '..', '..');

/** What each file of ours imports at run time, as esbuild resolves it; types are erased. */
async function importsOfAll(): Promise<Metafile['inputs']> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['engine/main.ts', 'engine/cli/main.ts', 'src/extension.ts', 'webview-ui/jobs/main.ts'],
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    outdir: 'out/none',
    packages: 'external',
    external: ['vscode'],
    loader: { '.ttf': 'empty', '.css': 'empty' },
    logLevel: 'silent',
  });
  return result.metafile.inputs;
}

const graphOf = (inputs: Metafile['inputs']): Map<string, string[]> =>
  new Map(
    Object.entries(inputs).map(([file, { imports }]) => [
      file,
      imports.filter(({ external }) => external !== true).map(({ path }) => path),
    ]),
  );

/** What each file of the engine and the extension imports, types too: a cycle of types is one for whoever reads. */
async function importsWithTypes(): Promise<Map<string, string[]>> {
  const parsed = new Map<string, string[]>();
  for (const folder of ['engine', 'src', 'webview-ui']) {
    for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const file = join(entry.parentPath, entry.name);
      const { importedFiles } = ts.preProcessFile(await readFile(file, 'utf8'));
      parsed.set(
        relative(root, file),
        importedFiles
          .filter(({ fileName }) => fileName.startsWith('.'))
          .map(({ fileName }) => relative(root, join(dirname(file), fileName))),
      );
    }
  }
  return parsed;
}

/** The files and packages that run before the first line of a file does: all that is not imported by `import()`. */
function loadedWith(file: string, inputs: Metafile['inputs']): ReadonlySet<string> {
  const loaded = new Set<string>();
  const visit = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const { path: next, kind } of inputs[path]?.imports ?? [])
      if (kind !== 'dynamic-import') visit(next);
  };
  visit(file);
  return loaded;
}

/** The first cycle as a path of files, or undefined. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | undefined {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...path, file]);
      if (cycle !== undefined) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const cycle = visit(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

describe('the imports', () => {
  let inputs: Metafile['inputs'];
  let graph: Map<string, string[]>;
  before(async () => {
    inputs = await importsOfAll();
    graph = graphOf(inputs);
  });

  it('have no cycle', () => {
    assert.ok(graph.size > 100, `only ${graph.size} files were found`);
    assert.equal(findCycle(graph)?.join(' -> '), undefined);
  });

  it('have no cycle of types either', async () => {
    const parsed = await importsWithTypes();
    assert.ok(parsed.size > 300, `only ${parsed.size} files were found`);
    assert.equal(findCycle(parsed)?.join(' -> '), undefined);
  });

  it('are told as a cycle when there is one', () => {
    const cycle = findCycle(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    );
    assert.deepEqual(cycle, ['b', 'c', 'b']);
  });

  it('load no schema and no command when the extension is activated', () => {
    const loaded = [...loadedWith('src/extension.ts', inputs)];
    const packages = loaded.filter((path) => inputs[path] === undefined && !path.startsWith('node:'));
    assert.deepEqual(packages, ['vscode']);
    const commands = loaded.filter((path) => path.startsWith('src/commands/')).sort();
    assert.deepEqual(commands, [
      'src/commands/commandArguments.ts',
      'src/commands/commandIds.ts',
      'src/commands/commandLink.ts',
      'src/commands/registerCommands.ts',
      'src/commands/runCommand.ts',
    ]);
  });

  it('load neither schemas nor YAML with a command of the command line', () => {
    // The bundle has a compact one in its place.
    const bundled = { ...inputs, 'engine/protocol/answers.ts': { bytes: 0, imports: [] } };
    const files = Object.keys(inputs).filter(
      // Loaded for those who give passwords, and for nobody else.
      (path) => path.startsWith('engine/cli/') && path !== 'engine/cli/givenPasswords.ts',
    );
    assert.ok(files.length > 20, `only ${files.length} files were found`);
    const heavy = files.flatMap((file) =>
      [...loadedWith(file, bundled)]
        .filter((path) =>
          ['zod', 'yaml', 'engine/protocol/ids.ts', 'engine/protocol/routes.ts'].includes(path),
        )
        .map((path) => `${file} loads ${path}`),
    );
    assert.deepEqual(heavy, []);
  });

  it('reach the engine from the extension and the webviews through the protocol alone', () => {
    const engineFiles = [...graph]
      .filter(([file]) => file.startsWith('src/') || file.startsWith('webview-ui/'))
      .flatMap(([, imports]) => imports)
      .filter((path) => path.startsWith('engine/'));
    assert.ok(engineFiles.length > 0);
    assert.deepEqual(
      engineFiles.filter((path) => !path.startsWith('engine/protocol/')),
      [],
    );
  });
});
