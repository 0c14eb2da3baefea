/**
 * What a working tree that jj shares with Git stands at: HEAD is always detached there, at the parent of the working copy, and the nearest
 * bookmark is what a branch is elsewhere. Reads jj's files: `.jj/working_copy/checkout` names an operation, that a view, and the view holds
 * the commit of each working copy (`local_working_copy.proto` and `simple_op_store.proto` of jj 0.45); bookmarks are Git's branches.
 */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readRegularFile } from '../../protocol/node/regularFile.ts';
import type { WorkingTree } from '../git.ts';
import { isAbsence, readText } from './files.ts';
import type { GitProgram } from './program.ts';
import { branchOfRef, isCommitId } from './refs.ts';

export async function isJujutsu({ path }: WorkingTree): Promise<boolean> {
  try {
    return (await stat(join(path, '.jj', 'working_copy'))).isDirectory();
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/** The bookmark of the working copy or of its nearest ancestor that has one; undefined when there is none. */
export async function nearestBookmark(
  tree: WorkingTree,
  head: string,
  program: GitProgram,
): Promise<string | undefined> {
  const nearest = async (commit: string): Promise<string[] | undefined> => {
    const decorated = ['--simplify-by-decoration', '--decorate=full', '--decorate-refs=refs/heads/'];
    const answer = await program.ask(tree.path, [
      ...['log', '--max-count=1', ...decorated, '--format=%D'],
      ...['--end-of-options', commit],
    ]);
    if ('refusal' in answer) return undefined;
    const refs = answer.output.trim().split(', ');
    return refs.flatMap((ref) => branchOfRef(ref) ?? []);
  };
  const commit = await workingCopy(tree);
  const names = (commit === undefined ? undefined : await nearest(commit)) ?? (await nearest(head)) ?? [];
  // A bookmark that was just put beside that of the trunk is the work.
  return [...names].sort(
    (one, other) => Number(isTrunk(one)) - Number(isTrunk(other)) || (one < other ? -1 : 1),
  )[0];
}

const isTrunk = (name: string): boolean => /^(main|master|trunk)$/.test(name);

/** The commit of the working copy; undefined where jj's files are not as they are known. */
async function workingCopy({ path }: WorkingTree): Promise<string | undefined> {
  const top = join(path, '.jj');
  const checkout = await message(join(top, 'working_copy', 'checkout'));
  const operation = checkout?.get(2)?.[0];
  const workspace = checkout?.get(3)?.[0];
  if (operation === undefined || workspace === undefined) return undefined;
  // In a further workspace it is a file that says where the repository is.
  const elsewhere = await readText(join(top, 'repo'));
  const store = join(
    elsewhere === undefined ? join(top, 'repo') : resolve(top, elsewhere.trim()),
    'op_store',
  );
  const view = (await message(join(store, 'operations', operation.toString('hex'))))?.get(1)?.[0];
  const content = view === undefined ? undefined : await message(join(store, 'views', view.toString('hex')));
  for (const entry of content?.get(8) ?? []) {
    const pair = fieldsOf(entry);
    const commit = pair?.get(2)?.[0]?.toString('hex');
    if (pair?.get(1)?.[0]?.equals(workspace) === true && commit !== undefined && isCommitId(commit))
      return commit;
  }
  return undefined;
}

const LARGEST = 64 * 1024 * 1024;

async function message(path: string): Promise<ReturnType<typeof fieldsOf>> {
  try {
    return fieldsOf(Buffer.from(await readRegularFile(path, { links: 'refused', maxBytes: LARGEST })));
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** The fields of a protobuf message that hold bytes; undefined when it is none. */
function fieldsOf(bytes: Buffer): Map<number, Buffer[]> | undefined {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 10; shift++) {
      const byte = bytes[at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * 2 ** (7 * shift);
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag % 8;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else if (kind === 2) {
      const length = varint();
      if (Number.isNaN(length) || at + length > bytes.length) return undefined;
      const field = Math.floor(tag / 8);
      fields.set(field, [...(fields.get(field) ?? []), bytes.subarray(at, at + length)]);
      at += length;
    } else return undefined;
  }
  return at === bytes.length ? fields : undefined;
}
