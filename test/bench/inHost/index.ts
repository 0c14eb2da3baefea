/** Runs inside a real extension host: times the activation of the extension and its tree with 500 clones. */
import { readFileSync, writeFileSync } from 'node:fs';
import * as vscode from 'vscode';
import type { Overview } from '../../../engine/protocol/events.ts';
import { createModel } from '../../../src/engine/model.ts';
import type { EngineSession } from '../../../src/engine/session.ts';
import type { ExtensionExports } from '../../../src/extension.ts';
import { createTree } from '../../../src/views/treeProvider.ts';
import { noWindow } from '../../../src/views/treeRows.ts';
import type { RowReference } from '../../../src/views/rowId.ts';
import { capturedProvider } from './vscodeWithProvider.ts';

export interface HostReport {
  /** The extension's share: reading, compiling and running the bundle, and its `activate`. */
  readonly activateMs: number;
  /** The whole call. In between VS Code asks the window for the extension's storage, also for one that does nothing. */
  readonly callMs: number;
  /** From a changed model to the last row that VS Code would draw. */
  readonly treeMs: readonly number[];
  readonly rows: number;
}

export async function run(): Promise<void> {
  const file = process.env['THIN_CLONES_BENCH_REPORT'];
  const overviewFile = process.env['THIN_CLONES_BENCH_OVERVIEW'];
  const runs = Number(process.env['THIN_CLONES_BENCH_RUNS'] ?? '20');
  if (file === undefined || overviewFile === undefined)
    throw new Error('Started by test/bench/extension.ts only.');
  const overview = JSON.parse(readFileSync(overviewFile, 'utf8')) as Overview;

  const extension = vscode.extensions.getExtension<ExtensionExports>('thin-clones.thin-clones');
  if (extension === undefined) throw new Error('The extension is not loaded.');
  if (extension.isActive)
    throw new Error('The extension is active already: its activation can not be timed.');
  const begun = performance.now();
  const { loadedAt, activationMs } = await extension.activate();
  const callMs = performance.now() - begun;
  const activateMs = loadedAt - begun + activationMs;

  const { treeMs, rows } = await timeTree(overview, runs);
  const report: HostReport = { activateMs, callMs, treeMs, rows };
  writeFileSync(file, JSON.stringify(report));
}

/** The provider of the sources on a model without an engine, asked for every row as VS Code does with all expanded. */
async function timeTree(overview: Overview, runs: number): Promise<{ treeMs: number[]; rows: number }> {
  // Changes are announced at once, where the extension gathers them for a third of a second.
  const model = createModel({
    now: () => performance.now(),
    after(_ms, announce) {
      announce();
      return () => undefined;
    },
  });
  const nothing = { state: () => noWindow, onDidChange: () => ({ dispose: () => undefined }) };
  const session = {
    ...{ model, state: { kind: 'connected' }, onDidChangeState: nothing.onDidChange },
  } as unknown as EngineSession;
  const tree = createTree(session, nothing);
  try {
    const provider = capturedProvider<RowReference>();
    const treeMs: number[] = [];
    let rows = 0;
    for (let run = 0; run <= runs; run += 1) {
      const begun = performance.now();
      model.load(overview);
      rows = await draw(provider, undefined);
      // The first round is for the compiler.
      if (run > 0) treeMs.push(performance.now() - begun);
    }
    return { treeMs, rows };
  } finally {
    tree.dispose();
  }
}

async function draw(
  provider: vscode.TreeDataProvider<RowReference>,
  parent: RowReference | undefined,
): Promise<number> {
  const children = (await provider.getChildren(parent)) ?? [];
  let rows = children.length;
  for (const child of children) {
    const item = await provider.getTreeItem(child);
    if (item.collapsibleState !== vscode.TreeItemCollapsibleState.None) rows += await draw(provider, child);
  }
  return rows;
}
