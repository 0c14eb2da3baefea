/** Says in a few words how things stand with a checkout: for status bar, hover, menu and questions. */
import type { Checkout } from '../../engine/protocol/entities.ts';

/** What the ports lead to or will, else what HEAD says: "feature/x", "release/*", "1a2b3c4 (rebase)". */
export function headText({ key, head }: Checkout): string {
  const operation = head.kind === 'unreadable' || head.operation === null ? '' : ` (${head.operation})`;
  switch (head.kind) {
    case 'branch':
      return `${key ?? head.branch}${operation}`;
    case 'detached':
      return `${key ?? head.branch ?? head.commit.slice(0, 7)}${operation}`;
    case 'unreadable':
      return key ?? 'no branch';
  }
}

/** The branch that a question or a command is about; undefined on a detached HEAD. */
export const branchOf = ({ head }: Checkout): string | undefined =>
  head.kind === 'unreadable' ? undefined : (head.branch ?? undefined);

/** Without a branch no clone is made; one can be used all the same. */
export const canHaveDatabase = ({ head }: Checkout): boolean => head.kind === 'branch';

export const folderName = (path: string): string =>
  path.split(/[\\/]/).findLast((part) => part !== '') ?? path;

/** "shop" of /src/shop/.git */
export const repositoryName = (directory: string): string => folderName(directory.replace(/[\\/]\.git$/, ''));

export const stateTexts: Readonly<Record<Checkout['state'], string>> = {
  off: 'not followed',
  ready: 'ready',
  switching: 'switching…',
  asking: 'no database yet',
  none: 'no database',
  failed: 'failed',
};

/** "the latest snapshot", "the present database", "the database of develop". */
export function startText(from: string): string {
  if (from === 'latest') return 'the latest snapshot';
  return from === 'current' ? 'the present database' : `the database of ${from}`;
}

/** "320 ms", "1.4 s", "2 min". */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/** `feature/**` for "feature/x"; a branch without a folder stands for itself. */
export function patternFor(branch: string): string {
  const at = branch.lastIndexOf('/');
  return at < 1 ? branch : `${branch.slice(0, at)}/**`;
}
