/** What HEAD of a working tree says, by reading its files. */
import { lstat, readlink, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Head } from '../../protocol/entities.ts';
import { isFailure } from '../../protocol/errors.ts';
import type { Operation, WorkingTree } from '../git.ts';
import { isAbsence, readText } from './files.ts';
import { isJujutsu, nearestBookmark } from './jujutsu.ts';
import { readOperation, type OperationState } from './operations.ts';
import type { GitProgram } from './program.ts';
import { branchOfRef, isCommitId, readRef } from './refs.ts';

/** What HEAD says where refs are not files: gitformat-reftable(5). */
const REFTABLE_STUB = 'ref: refs/heads/.invalid';

/** jj has a commit before the first one, which Git has not. */
const ROOT_OF_JUJUTSU = 'ref: refs/jj/root';

export async function readHead(tree: WorkingTree, program: GitProgram): Promise<Head> {
  try {
    // A working tree that was removed by hand leaves its HEAD behind, and another repository may have one in its place.
    if ((await gitDirectoryAt(tree.path)) !== tree.gitDirectory)
      return { kind: 'unreadable', problem: `${tree.path} is a working tree of another Git directory now` };
    const head = await headOf(tree.gitDirectory, tree.commonDirectory, program);
    const isBare = head.kind === 'detached' && head.branch === null && head.operation === null;
    return isBare && (await isJujutsu(tree)) ? await headOfJujutsu(tree, head, program) : head;
  } catch (error) {
    if (isAbsence(error)) return { kind: 'unreadable', problem: `the working tree ${tree.path} is gone` };
    const problem = isFailure(error) || error instanceof Error ? error.message : String(error);
    return { kind: 'unreadable', problem: `HEAD of ${tree.path} can't be read: ${problem}` };
  }
}

/** Its bookmarks are branches; without one every commit there is the same work. */
async function headOfJujutsu(
  tree: WorkingTree,
  head: Extract<Head, { kind: 'detached' }>,
  program: GitProgram,
): Promise<Head> {
  const { commit, operation } = head;
  const bookmark = await nearestBookmark(tree, commit, program);
  return bookmark === undefined
    ? { ...head, tool: 'jj' }
    : { kind: 'branch', branch: bookmark, commit, operation };
}

/** Real path of where the `.git` of a working tree is, or leads: gitrepository-layout(5). */
async function gitDirectoryAt(top: string): Promise<string | undefined> {
  const path = join(top, '.git');
  if ((await stat(path)).isDirectory()) return await realpath(path);
  const [, target] = /^gitdir: (.+)$/.exec((await readText(path))?.trimEnd() ?? '') ?? [];
  return target === undefined ? undefined : await realpath(resolve(top, target));
}

/** The same by its Git directory, for a working tree whose folder is not known. Rejects where files can't be read. */
export async function headOf(
  gitDirectory: string,
  commonDirectory: string,
  program: GitProgram,
): Promise<Head> {
  const [text, state] = await Promise.all([readHeadFile(gitDirectory), readOperation(gitDirectory)]);
  if (text === undefined) return { kind: 'unreadable', problem: `there is no HEAD in ${gitDirectory}` };
  if (text === ROOT_OF_JUJUTSU) return { kind: 'detached', commit: '0'.repeat(40), ...state };
  if (text === REFTABLE_STUB) return askForHead(gitDirectory, state, program);
  if (isCommitId(text)) return { kind: 'detached', commit: text, ...state };
  const branch = text.startsWith('ref:') ? branchOfRef(text.slice('ref:'.length).trim()) : undefined;
  if (branch === undefined)
    return { kind: 'unreadable', problem: `HEAD in ${gitDirectory} is neither a branch nor a commit` };
  const commit = await readRef(commonDirectory, `refs/heads/${branch}`);
  return { kind: 'branch', branch, commit, operation: state.operation };
}

/** Git of long ago made HEAD a symbolic link to the branch; `core.preferSymlinkRefs` still does. */
async function readHeadFile(gitDirectory: string): Promise<string | undefined> {
  const path = join(gitDirectory, 'HEAD');
  try {
    if ((await lstat(path)).isSymbolicLink()) return `ref: ${await readlink(path)}`;
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
  return (await readText(path))?.trim();
}

async function askForHead(gitDirectory: string, state: OperationState, program: GitProgram): Promise<Head> {
  const ask = async (...args: string[]): Promise<string | undefined> => {
    const answer = await program.ask(gitDirectory, args);
    return 'output' in answer && answer.output.trim() !== '' ? answer.output.trim() : undefined;
  };
  const verify = ['rev-parse', '--verify', '--quiet'] as const;
  const [ref, commit, picked, reverted] = await Promise.all([
    ask('symbolic-ref', '--quiet', 'HEAD'),
    ask(...verify, 'HEAD'),
    ask(...verify, 'CHERRY_PICK_HEAD'),
    ask(...verify, 'REVERT_HEAD'),
  ]);
  const refOperation: Operation | null =
    picked !== undefined ? 'cherry-pick' : reverted !== undefined ? 'revert' : null;
  const operation = state.operation ?? refOperation;
  const branch = ref === undefined ? undefined : branchOfRef(ref);
  if (branch !== undefined) return { kind: 'branch', branch, commit: commit ?? null, operation };
  if (ref === undefined && commit !== undefined)
    return { kind: 'detached', commit, operation, branch: state.branch };
  return { kind: 'unreadable', problem: `HEAD in ${gitDirectory} is neither a branch nor a commit` };
}
