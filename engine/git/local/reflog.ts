/** The log of a branch: the names that it had, and whether work was done on it. */
import { join } from 'node:path';
import { readText } from './files.ts';
import type { GitProgram } from './program.ts';
import { refOfBranch } from './refs.ts';

export interface ReflogEntry {
  /** Where the branch was after it. */
  commit: string;
  message: string;
}

/** What counts of a log: more would only cost time. */
const MAXIMAL_ENTRIES = 5000;

/** Newest first; empty when there is none. */
export async function readReflog(
  repository: { commonDirectory: string; isReftable: boolean },
  branch: string,
  program: GitProgram,
  signal?: AbortSignal,
): Promise<readonly ReflogEntry[]> {
  const ref = refOfBranch(branch);
  if (repository.isReftable) {
    const walk = ['log', '--walk-reflogs', `--max-count=${MAXIMAL_ENTRIES}`, '--format=%H %gs'];
    const answer = await program.ask(
      repository.commonDirectory,
      [...walk, '--end-of-options', ref, '--'],
      signal,
    );
    if (!('output' in answer)) return [];
    return answer.output.split('\n').flatMap((line) => {
      const end = line.indexOf(' ');
      return end < 0 ? [] : { commit: line.slice(0, end), message: line.slice(end + 1) };
    });
  }
  const text = await readText(join(repository.commonDirectory, 'logs', ...ref.split('/')));
  if (text === undefined) return [];
  return text
    .split('\n')
    .slice(-MAXIMAL_ENTRIES)
    .reverse()
    .flatMap((line) => {
      // OLD NEW NAME <ADDRESS> SECONDS ZONE TAB MESSAGE
      const tab = line.indexOf('\t');
      const commit = line.split(' ', 2)[1];
      return tab < 0 || commit === undefined ? [] : { commit, message: line.slice(tab + 1) };
    });
}

/** The names before, newest first. A copied branch brings the log of the other along: its renames don't lead to this name. */
export function namesBefore(branch: string, entries: readonly ReflogEntry[]): readonly string[] {
  const names: string[] = [];
  let name = branch;
  for (const { message } of entries) {
    const [, from, to] = /^Branch: renamed refs\/heads\/(\S+) to refs\/heads\/(\S+)$/.exec(message) ?? [];
    if (from === undefined || to !== name) continue;
    name = from;
    if (name !== branch && !names.includes(name)) names.push(name);
  }
  return names;
}

/** The commits that were made on the branch, newest first; not those that it was only moved to. */
export function commitsMade(entries: readonly ReflogEntry[]): readonly string[] {
  return entries
    .filter(({ commit, message }) => {
      const onto = /\(finish\): .* onto ([0-9a-f]+)$|^rebase finished: .* onto ([0-9a-f]+)/.exec(message);
      if (onto !== null) return (onto[1] ?? onto[2]) !== commit;
      return /^(?:commit|am|cherry-pick|revert)\b|: Merge made by /.test(message);
    })
    .map(({ commit }) => commit);
}
