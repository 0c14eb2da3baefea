import assert from 'node:assert/strict';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..', '..', '..');

/** What each file of ours imports at run time, as esbuild resolves it; types are erased. */
async function importGraph(): Promise<Map<string, string[]>> {
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
  return new Map(
    Object.entries(result.metafile.inputs).map(([file, { imports }]) => [
      file,
      imports.filter(({ external }) => external !== true).map(({ path }) => path),
    ]),
  );
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
  let graph: Map<string, string[]>;
  before(async () => {
    graph = await importGraph();
  });

  it('have no cycle', () => {
    assert.ok(graph.size > 100, `only ${graph.size} files were found`);
    assert.equal(findCycle(graph)?.join(' -> '), undefined);
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
