/** Times the extension in a real extension host, and weighs the bundles. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import * as z from 'zod';
import { overviewSchema, type Overview } from '../../engine/protocol/events.ts';
import { ago, fakeHost, newId } from '../support/fakeEngine/scriptedEngine.ts';
import { findChromium } from '../support/vscode/chromium.ts';
import { installVSCode, type VSCodeInstall } from '../support/vscode/install.ts';
import { makeScratch } from '../support/vscode/scratch.ts';
import { startVSCodeServer } from '../support/vscode/server.ts';
import { openWorkbench } from '../support/vscode/workbench.ts';
import { fakeClone, fakeEnvironment, fakeSnapshot } from '../unit/cli/fakeEngine.ts';
import type { BenchContext } from './clones.ts';
import { resultOf, type Result } from './results.ts';

const ACTIVATE = 'extension.activate';
const CALL = 'extension.activate/call';
const TREE = 'tree.refresh/500clones';
const EXTENSION_BUNDLE = 'extension.bundle';
const ENGINE_BUNDLE = 'engine.bundle';
const ACTIVATE_GOAL_MS = 50;
const TREE_GOAL_MS = 100;
const EXTENSION_GOAL_BYTES = 300_000;
const ENGINE_GOAL_BYTES = 1_500_000;
const CLONES = 500;
const ENVIRONMENTS = 5;
const RUN_TIMEOUT_MS = 120_000;

export function weighBundles({ production, wants }: BenchContext): Result[] {
  const weigh = (name: string, bytes: number, goal: number): Result[] =>
    wants(name) ? [resultOf({ name, unit: 'bytes', values: [bytes], goal })] : [];
  return [
    ...weigh(EXTENSION_BUNDLE, production.extensionBytes, EXTENSION_GOAL_BYTES),
    ...weigh(ENGINE_BUNDLE, production.engineBytes, ENGINE_GOAL_BYTES),
  ];
}

const reportSchema = z.object({
  activateMs: z.number(),
  callMs: z.number(),
  treeMs: z.array(z.number()),
  rows: z.number(),
});
type Report = z.infer<typeof reportSchema>;

export async function benchExtension(context: BenchContext): Promise<Result[]> {
  const { wants, quick, say, signal } = context;
  if (![ACTIVATE, TREE].some((name) => wants(name))) return [];
  const browser = await findChromium({ signal });
  if (!browser.found) {
    say(`${ACTIVATE} and ${TREE} are left out: ${browser.reason}`);
    return [];
  }
  let install: VSCodeInstall;
  try {
    install = await installVSCode({ version: 'newest', signal });
  } catch (error) {
    signal.throwIfAborted();
    // best effort: the other results don't need it, and the reason is told
    say(`${ACTIVATE} and ${TREE} are left out: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
  const tests = await bundleForHost(context.production.folder);
  // Activation happens once in a host, so each value is a new VS Code.
  const hosts = wants(ACTIVATE) ? (quick ? 2 : 10) : 1;
  const reports: Report[] = [];
  for (let run = 1; run <= hosts; run += 1) {
    signal.throwIfAborted();
    say(`the extension in VS Code, ${run} of ${hosts}`);
    reports.push(await runInHost(context, install, tests));
  }
  const rows = reports[0]?.rows ?? 0;
  if (rows < CLONES) throw new Error(`The tree has ${rows} rows, fewer than its ${CLONES} clones.`);
  return [
    ...(wants(ACTIVATE)
      ? [
          resultOf({
            name: ACTIVATE,
            values: reports.map(({ activateMs }) => activateMs),
            goal: ACTIVATE_GOAL_MS,
          }),
          resultOf({ name: CALL, values: reports.map(({ callMs }) => callMs) }),
        ]
      : []),
    ...(wants(TREE)
      ? [resultOf({ name: TREE, values: reports.flatMap(({ treeMs }) => treeMs), goal: TREE_GOAL_MS })]
      : []),
  ];
}

/** Inside the extension's folder: VS Code decides by the folder which extension's API `vscode` stands for. */
async function bundleForHost(extension: string): Promise<string> {
  const source = join(import.meta.dirname, 'inHost');
  const target = join(extension, 'out', 'bench');
  await mkdir(target, { recursive: true });
  await build({
    entryPoints: [join(source, 'index.ts')],
    outfile: join(target, 'index.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    external: ['vscode'],
    logLevel: 'warning',
    plugins: [
      {
        name: 'tree-with-captured-provider',
        setup(bundling) {
          bundling.onResolve({ filter: /^vscode$/ }, ({ importer }) =>
            importer.endsWith('treeProvider.ts') ? { path: 'vscode', namespace: 'captured' } : undefined,
          );
          bundling.onLoad({ filter: /.*/, namespace: 'captured' }, () => ({
            resolveDir: source,
            contents: [
              "const real = require('vscode');",
              "const { window } = require('./vscodeWithProvider.ts');",
              'module.exports = Object.assign(Object.create(real), real, { window });',
            ].join('\n'),
          }));
        },
      },
    ],
  });
  return join(target, 'index.cjs');
}

async function runInHost(
  context: BenchContext,
  install: VSCodeInstall,
  extensionTestsPath: string,
): Promise<Report> {
  const scratch = await makeScratch();
  try {
    const file = join(scratch.runDir, 'report.json');
    const server = await startVSCodeServer({
      install,
      runDir: scratch.runDir,
      env: {
        THIN_CLONES_HOME: scratch.home,
        THIN_CLONES_BENCH_REPORT: file,
        THIN_CLONES_BENCH_RUNS: context.quick ? '5' : '20',
        THIN_CLONES_BENCH_OVERVIEW: await writeOverview(scratch.runDir),
      },
    });
    try {
      const ended = Promise.withResolvers<number>();
      const output: string[] = [];
      const workbench = await openWorkbench({
        server,
        // Not the workspace: in a Git repository the extension activates by itself, before it can be timed.
        folder: scratch.plainFolder,
        extensionDevelopmentPath: context.production.folder,
        extensionTestsPath,
        onTestsExit: (code) => ended.resolve(code),
        onExtensionHostOutput: (type, text) => output.push(`[${type}] ${text}`),
      });
      const timer = setTimeout(
        () => ended.reject(new Error('The extension host did not answer.')),
        RUN_TIMEOUT_MS,
      );
      try {
        const code = await ended.promise;
        if (code !== 0) throw new Error(`In the extension host:\n${output.join('\n')}`);
        return reportSchema.parse(JSON.parse(await readFile(file, 'utf8')));
      } finally {
        clearTimeout(timer);
        await workbench.close();
      }
    } finally {
      await server.stop();
    }
  } finally {
    await scratch.dispose();
  }
}

/** Some of everything that a tree can show: several environments, clones of different age and state, one host. */
async function writeOverview(folder: string): Promise<string> {
  const environments = Array.from({ length: ENVIRONMENTS }, (_, index) => `environment-${index}`);
  const snapshots = environments.map((environment, index) =>
    fakeSnapshot({ id: newId('snapshot'), environment, createdAt: ago(index), dataStateAt: ago(index) }),
  );
  const clones = Array.from({ length: CLONES }, (_, index) =>
    fakeClone({
      id: newId('clone'),
      name: `feature/${index}`,
      environment: environments[index % ENVIRONMENTS],
      snapshot: snapshots[index % ENVIRONMENTS]?.id,
      createdAt: ago(index),
      state: index % 10 === 0 ? 'stopped' : 'ready',
      protectedUntil: index % 7 === 0 ? 'forever' : null,
    }),
  );
  const overview: Overview = {
    epoch: 'bench',
    seq: 1,
    hosts: [fakeHost()],
    environments: environments.map((name, index) =>
      fakeEnvironment({ name, latestSnapshot: snapshots[index]?.id }),
    ),
    snapshots,
    clones,
    checkouts: [],
    jobs: [],
  };
  const file = join(folder, 'overview.json');
  await writeFile(file, JSON.stringify(overviewSchema.parse(overview)));
  return file;
}
