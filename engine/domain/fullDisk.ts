/** Recognises a full disk in whatever words a file system, a program, a database server or the state's file told it. */
import { fail, isFailure } from '../protocol/errors.ts';

/** Node's codes, and PostgreSQL's disk_full (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const codes = new Set(['ENOSPC', 'EDQUOT', '53100']);
/** EDQUOT of Linux and of macOS: libuv has no name for it, so Node tells the number alone. */
const quotaNumbers = new Set([-122, -69]);
/**
 * strerror(3) in the C locale, which all our servers and programs run in; and how a server says that only a part was
 * written, for which the system gave it no error yet (src/backend/storage/smgr/md.c).
 */
const words = /No space left on device|Disk quota exceeded|could not extend file.*: wrote only/;
/** SQLITE_FULL, https://www.sqlite.org/rescode.html#full */
const sqliteFull = 13;

/** What a program or a log says. */
export const saysFullDisk = (text: string): boolean => words.test(text);

/** Whether the error or one of its causes is of a full disk or quota. */
export function isFullDisk(error: unknown): boolean {
  if (!(error instanceof Error)) return saysFullDisk(String(error));
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    const number = 'errno' in current && typeof current.errno === 'number' ? current.errno : 0;
    if (codes.has(code) || quotaNumbers.has(number) || saysFullDisk(current.message)) return true;
  }
  return false;
}

/** `storage_full` with the error as its cause, or the error itself. */
export const tellFullDisk = (error: unknown, storage: string): unknown =>
  !isFailure(error, 'storage_full') && isFullDisk(error)
    ? fail('storage_full', { storage, freeBytes: null }, { cause: error })
    : error;

/** Whether the state's file has no room. */
export const isFullState = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === sqliteFull;
