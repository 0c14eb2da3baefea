/** Finds the row that has the focus of our tree: VS Code tells extensions only what is selected. */
import * as vscode from 'vscode';
import { rowId, type RowReference } from './rowId.ts';

export interface FocusedRow {
  readonly row: RowReference;
  /** What is selected with it; without the row, when that is only focused. */
  readonly selected: readonly RowReference[];
}

/**
 * Undefined when no row has the focus. The command toggles the focused row in the selection of the list that has the focus (`list.toggleSelection`
 * in src/vs/workbench/browser/actions/listCommands.ts), and its answer comes after the new selection: what is different then is that row.
 */
export async function findFocusedRow(
  view: Pick<vscode.TreeView<RowReference>, 'selection'>,
): Promise<FocusedRow | undefined> {
  const selected = view.selection;
  await vscode.commands.executeCommand('list.toggleSelection');
  const row = differenceOf(selected, view.selection);
  if (row === undefined) return undefined;
  // As it was before.
  await vscode.commands.executeCommand('list.toggleSelection');
  return { row, selected };
}

function differenceOf(
  before: readonly RowReference[],
  after: readonly RowReference[],
): RowReference | undefined {
  const isIn = (rows: readonly RowReference[], row: RowReference): boolean =>
    rows.some((each) => rowId(each) === rowId(row));
  return before.find((row) => !isIn(after, row)) ?? after.find((row) => !isIn(before, row));
}
