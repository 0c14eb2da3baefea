/** Runs what a key in the tree means, where the focused row and the selection are the same thing; elsewhere nothing happens. */
import * as vscode from 'vscode';
import type { Services } from '../services.ts';
import type { FocusedRow } from '../views/focusedRow.ts';
import { isRow, rowId, type RowReference } from '../views/rowId.ts';
import type { CommandId } from './commandIds.ts';
import { openByKey } from './openRow.ts';
import { runCommand } from './runCommand.ts';

/** What a key does to one row, or to several of a kind; undefined where it does nothing to such rows. */
type Act = (rows: readonly [RowReference, ...RowReference[]]) => (() => Promise<void>) | undefined;

interface Meaning {
  readonly act: Act;
  /** "Press the key again to ..." */
  readonly effect: string;
  readonly needs: string;
  /** What it does not do to the rows that are selected. */
  readonly limit: string;
}

const areClones = (rows: readonly RowReference[]) => rows.every((row) => isRow(row, ['clone']));
const ofOneClone =
  (id: 'thinClones.clone.reset' | 'thinClones.clone.copyUrl'): Act =>
  ([row, ...others]) =>
    others.length === 0 && isRow(row, ['clone']) ? () => runCommand(id, row) : undefined;

const deletion: Meaning = {
  act: (rows) => {
    const [row, ...others] = rows;
    if (areClones(rows) && isRow(row, ['clone']))
      return () =>
        runCommand(
          'thinClones.clone.destroy',
          row,
          rows.filter((each) => isRow(each, ['clone'])),
        );
    return others.length === 0 && isRow(row, ['snapshot'])
      ? () => runCommand('thinClones.snapshot.delete', row)
      : undefined;
  },
  effect: 'delete it',
  needs: 'This key deletes clones and snapshots: select one first',
  limit: 'This key deletes clones, or one snapshot: select only what is meant',
};
const renaming: Meaning = {
  act: ([row, ...others]) =>
    others.length > 0
      ? undefined
      : isRow(row, ['clone'])
        ? () => runCommand('thinClones.clone.rename', row)
        : isRow(row, ['snapshot'])
          ? () => runCommand('thinClones.snapshot.rename', row)
          : undefined,
  effect: 'rename it',
  needs: 'This key renames clones and snapshots: select one first',
  limit: 'This key renames one at a time: select only what is meant',
};
/** The two deletions share their key, and so do the two renamings: whichever of them VS Code takes, the row decides. */
const meanings: Readonly<Partial<Record<CommandId, Meaning>>> = {
  'thinClones.clone.destroy': deletion,
  'thinClones.snapshot.delete': deletion,
  'thinClones.clone.rename': renaming,
  'thinClones.snapshot.rename': renaming,
  'thinClones.clone.reset': {
    act: ofOneClone('thinClones.clone.reset'),
    effect: 'reset it',
    needs: 'This key resets a clone: select one first',
    limit: 'This key resets one clone at a time: select only what is meant',
  },
  'thinClones.clone.copyUrl': {
    act: ofOneClone('thinClones.clone.copyUrl'),
    effect: 'copy its URL',
    needs: 'This key copies the URL of a clone: select one first',
    limit: 'This key copies one URL at a time: select only what is meant',
  },
};

/** How long the status bar says why nothing happened. */
const tellMs = 6000;
const tell = (text: string): void => {
  vscode.window.setStatusBarMessage(`$(info) ${text}`, tellMs);
};
let looking = false;

export async function runByKey(services: Services, id: CommandId): Promise<void> {
  if (id === 'thinClones.row.open') {
    await openByKey(services);
    return;
  }
  const meaning = meanings[id];
  // A key that is held down repeats, also while it is found out where it was pressed.
  if (meaning === undefined || looking) return;
  looking = true;
  let focused: FocusedRow | undefined;
  try {
    focused = await services.tree.focused();
  } finally {
    looking = false;
  }
  if (focused === undefined || meaning.act([focused.row]) === undefined) {
    tell(meaning.needs);
    return;
  }
  const { row, selected } = focused;
  const others = selected.filter((each) => rowId(each) !== rowId(row));
  if (others.length === selected.length) {
    await services.tree.reveal(row);
    tell(`${services.tree.labelOf(row)} is selected now: press the key again to ${meaning.effect}`);
    return;
  }
  const act = meaning.act([row, ...others]);
  if (act === undefined) tell(meaning.limit);
  else await act();
}
