/** Recognises a full disk in whatever words an adapter or a database server told it. */
import { fail, isFailure } from '../protocol/errors.ts';

/** Node's codes, and PostgreSQL's disk_full (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const codes = new Set(['ENOSPC', 'EDQUOT', '53100']);
/** strerror(3) in the C locale, which all our servers and programs run in. */
const words = /No space left on device|Disk quota exceeded/;

/** `storage_full` with the error as its cause, or the error itself. */
export function tellFullDisk(error: unknown, storage: string): unknown {
  if (isFailure(error, 'storage_full')) return error;
  for (let current = error; current instanceof Error; current = current.cause) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (codes.has(code) || words.test(current.message))
      return fail('storage_full', { storage, freeBytes: null }, { cause: error });
  }
  return error;
}
