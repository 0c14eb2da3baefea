/** Turns what `zfs`, `zpool` and sudo complain about into errors of the table, each with its own way out. */
import { fail, type ErrorCode } from '../../protocol/errors.ts';
import { poolOf } from './names.ts';

type Refusal = Extract<ErrorCode, `storage_${string}`>;

/** The words of lib/libzfs/libzfs_util.c, strerror(3) in the C locale, and sudo; the first that fits counts. */
const words: readonly (readonly [RegExp, Refusal])[] = [
  [/quota exceeded/i, 'storage_quota'],
  [/out of space|No space left on device/, 'storage_full'],
  [/I\/O is currently suspended|pool is suspended/, 'storage_suspended'],
  [/read-only/i, 'storage_read_only'],
  [/may only be mounted by root/, 'storage_rights'],
  [/permission denied|must be root|Operation not permitted|insufficient privileges/i, 'storage_rights'],
  [/^sudo: /m, 'storage_rights'],
  [/dependent clones?|has children|has clones/, 'storage_has_clones'],
  [/more recent snapshots/, 'storage_newer_snapshot'],
  [/is busy|is held/i, 'storage_busy'],
  [/already exists/, 'storage_exists'],
  [
    /does not exist|no such (pool|dataset|tag)|could not find any snapshots|no datasets available/i,
    'storage_missing',
  ],
];

const isNothing = (text: string): boolean => text.trim() === '';

/** `dataset`: what the command was about. `stderr`: all that it said. */
export function refusalOf(dataset: string, stderr: string, ending: string): Error {
  const said = stderr.trim().split('\n').slice(0, 3).join('; ');
  const problem = isNothing(said) ? `it ended with ${ending}` : said.replace(/\.$/, '');
  const code = words.find(([pattern]) => pattern.test(stderr))?.[1];
  const cause = { cause: new Error(said) };
  switch (code) {
    case 'storage_full':
      return fail('storage_full', { storage: dataset, freeBytes: null }, cause);
    case 'storage_suspended':
      return fail('storage_suspended', { pool: poolOf(dataset) }, cause);
    case 'storage_busy':
    case 'storage_rights':
      return fail(code, { dataset, problem }, cause);
    case 'storage_quota':
    case 'storage_has_clones':
    case 'storage_newer_snapshot':
    case 'storage_read_only':
    case 'storage_missing':
    case 'storage_exists':
      return fail(code, { dataset }, cause);
    default:
      return fail('storage_failed', { storage: dataset, problem }, cause);
  }
}
