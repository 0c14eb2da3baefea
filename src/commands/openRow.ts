/** What Enter and clicks on rows of the tree do: a clone opens as a setting says, a row that says what is missing does it. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import { isRow, rowId, type RowOf, type RowReference } from '../views/rowId.ts';
import type { CommandArguments, CommandId } from './commandIds.ts';
import { runCommand } from './runCommand.ts';

/** Two clicks within this time are a double-click; the same clone is opened once in it. */
const doubleClickMs = 500;
/** Finding out which row has the focus selects it, which VS Code takes for a click (see `findFocusedRow`). */
const afterLookMs = 500;

let lastClick: { readonly id: string; readonly at: number } | undefined;
let lastOpened: { readonly id: string; readonly at: number } | undefined;

const isRecent = (last: typeof lastClick, row: RowReference, now: number): boolean =>
  last !== undefined && last.id === rowId(row) && now - last.at < doubleClickMs;

const run = <Id extends CommandId>({
  id,
  subject,
}: {
  readonly id: Id;
  readonly subject: CommandArguments<Id>;
}): Promise<void> => runCommand(id, ...subject);

/** VS Code calls it for each click on a row, and for each key that selects one. */
export async function openRow(services: Services, row?: RowReference): Promise<void> {
  const now = performance.now();
  if (row === undefined || now - services.tree.lookedAt() < afterLookMs) return;
  const command = services.tree.commandOf(row);
  if (command !== undefined) {
    await run(command);
    return;
  }
  if (!isRow(row, ['clone'])) return;
  const isDouble =
    isRecent(lastClick, row, now) ||
    vscode.workspace.getConfiguration('workbench.list').get('openMode') === 'doubleClick';
  lastClick = { id: rowId(row), at: now };
  if (isDouble) await openClone(services, row);
}

/** Enter: VS Code's own meaning first, which selects the focused row and folds one that has rows below it. */
export async function openByKey(services: Services): Promise<void> {
  await vscode.commands.executeCommand('list.select');
  const [row, ...others] = services.tree.selection();
  if (others.length === 0 && isRow(row, ['clone'])) await openClone(services, row);
}

async function openClone(services: Services, row: RowOf<'clone'>): Promise<void> {
  const now = performance.now();
  if (isRecent(lastOpened, row, now)) return;
  lastOpened = { id: rowId(row), at: now };
  const way = vscode.workspace.getConfiguration('thinClones').get<string>('clone.open', 'psql');
  if (way === 'nothing') return;
  const isReady = services.session.model.clones.get(row.key)?.state === 'ready';
  if (way === 'details' || !isReady) await runCommand('thinClones.clone.showDetails', row);
  else if (way === 'copyUrl') await runCommand('thinClones.clone.copyUrl', row);
  else await runCommand('thinClones.clone.openPsql', row);
}
