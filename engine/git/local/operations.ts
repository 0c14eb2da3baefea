/** Which Git operation is under way in a working tree, by the files that it leaves in the Git directory. */
import { join } from 'node:path';
import type { Operation } from '../git.ts';
import { readNames, readText } from './files.ts';
import { branchOfRef, isCommitId, refOfBranch } from './refs.ts';

export interface OperationState {
  operation: Operation | null;
  /** The branch that it will return to, where it has left it. */
  branch: string | null;
}

/** What `readOperation` looks at: whoever watches a Git directory watches for these. */
export const operationFiles: ReadonlySet<string> = new Set([
  'rebase-merge',
  'rebase-apply',
  'MERGE_HEAD',
  'CHERRY_PICK_HEAD',
  'REVERT_HEAD',
  'sequencer',
  'BISECT_LOG',
  'BISECT_START',
]);

/** The order of wt-status.c: a rebase or am may stop within a merge or cherry-pick, and all of them within a bisect. */
export async function readOperation(gitDirectory: string): Promise<OperationState> {
  const names = new Set(await readNames(gitDirectory));
  const bisected = names.has('BISECT_LOG') ? await bisectStart(gitDirectory) : null;
  if (names.has('rebase-merge')) {
    const branch = await headName(join(gitDirectory, 'rebase-merge'));
    return { operation: 'rebase', branch: branch ?? bisected };
  }
  if (names.has('rebase-apply')) {
    const folder = join(gitDirectory, 'rebase-apply');
    const operation = (await readNames(folder))?.includes('applying') === true ? 'am' : 'rebase';
    return { operation, branch: (await headName(folder)) ?? bisected };
  }
  const operation = await smallOperation(gitDirectory, names);
  if (operation !== null) return { operation, branch: bisected };
  return { operation: names.has('BISECT_LOG') ? 'bisect' : null, branch: bisected };
}

async function smallOperation(gitDirectory: string, names: ReadonlySet<string>): Promise<Operation | null> {
  if (names.has('MERGE_HEAD')) return 'merge';
  if (names.has('CHERRY_PICK_HEAD')) return 'cherry-pick';
  if (names.has('REVERT_HEAD')) return 'revert';
  if (!names.has('sequencer')) return null;
  // Between two of several picks only the list of what is still to do tells.
  const todo = await readText(join(gitDirectory, 'sequencer', 'todo'));
  if (todo === undefined) return null;
  return /^\s*(?:revert|r)\b/.test(todo) ? 'revert' : 'cherry-pick';
}

async function headName(folder: string): Promise<string | null> {
  const name = (await readText(join(folder, 'head-name')))?.trim();
  return name === undefined ? null : (branchOfRef(name) ?? null);
}

async function bisectStart(gitDirectory: string): Promise<string | null> {
  const start = (await readText(join(gitDirectory, 'BISECT_START')))?.trim();
  if (start === undefined || isCommitId(start)) return null;
  return branchOfRef(refOfBranch(start)) ?? null;
}
