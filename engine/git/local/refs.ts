/** Refs in a Git directory of the `files` kind: which names there can be, and which commit one leads to. */
import { join } from 'node:path';
import { readText } from './files.ts';

const oid = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
export const isCommitId = (text: string): boolean => oid.test(text);

const branches = 'refs/heads/';
export const refOfBranch = (branch: string): string => `${branches}${branch}`;

/** The branch of a ref; undefined when it is none, or when no branch can be called so. */
export function branchOfRef(ref: string): string | undefined {
  return ref.startsWith(branches) && isRefName(ref) ? ref.slice(branches.length) : undefined;
}

/** The rules of git-check-ref-format(1). They also keep a foreign HEAD from naming a file outside. */
export function isRefName(ref: string): boolean {
  return (
    !/[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\.$/.test(ref) &&
    ref.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
  );
}

/** How many refs may lead to each other: Git's own limit. */
const MAXIMAL_DEPTH = 5;

/** Null when there is no such ref, as for a branch without commits. Loose first: packing makes the packed one before it removes the other. */
export async function readRef(commonDirectory: string, ref: string, depth = 0): Promise<string | null> {
  if (depth > MAXIMAL_DEPTH || !isRefName(ref)) return null;
  const loose = (await readText(join(commonDirectory, ...ref.split('/'))))?.trim();
  if (loose?.startsWith('ref:') === true)
    return readRef(commonDirectory, loose.slice('ref:'.length).trim(), depth + 1);
  if (loose !== undefined && isCommitId(loose)) return loose;
  const packed = await readText(join(commonDirectory, 'packed-refs'));
  const end = packed?.indexOf(` ${ref}\n`) ?? -1;
  if (packed === undefined || end < 0) return null;
  const found = packed.slice(packed.lastIndexOf('\n', end) + 1, end);
  return isCommitId(found) ? found : null;
}
