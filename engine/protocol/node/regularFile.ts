/**
 * Opens and reads files that others own or put in their place: whatever stands there (a pipe, a device, a directory, a
 * file without end), nothing waits for it and nothing larger than expected comes into memory.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { sep } from 'node:path';

/** Windows has no such flags; there the runtime values are undefined whatever the types say. */
const flags: Partial<typeof constants> = constants;
const flag = (name: 'O_NOFOLLOW' | 'O_NONBLOCK' | 'O_NOCTTY'): number => flags[name] ?? 0;
export const noFollow = flag('O_NOFOLLOW');
/** Opening a pipe waits for its other end, without this flag; a regular file does not know it. */
export const nonBlocking = flag('O_NONBLOCK') | flag('O_NOCTTY');

/** A file system that answers no more (a lost network share) must not take its reader along. */
const PATIENCE_MS = 30_000;
const LARGEST = 16 * 1024 * 1024;

/** The codes of open(2) and read(2) where these have one. */
export type UnfitReason = 'EISDIR' | 'ELOOP' | 'NOT_REGULAR' | 'OUTSIDE' | 'TOO_LARGE' | 'TOO_SLOW';

/** What is there is no file that can be read as one. */
export class UnfitFileError extends Error {
  readonly code: UnfitReason;
  readonly path: string;
  /** For people, after the file's name: "is a pipe". */
  readonly problem: string;
  constructor(path: string, code: UnfitReason, problem: string, options: ErrorOptions = {}) {
    super(`${path} ${problem}`, options);
    this.name = 'UnfitFileError';
    this.path = path;
    this.code = code;
    this.problem = problem;
  }
}

export interface OpenRegularOptions {
  /** Whether the path itself may be a symbolic link: only where the person who put it there may read what it leads to. */
  links: 'followed' | 'refused';
  /** The folder that the file must really lie in, wherever links on its path lead. */
  within?: string;
}

export interface ReadRegularOptions extends OpenRegularOptions {
  /** More is refused with TOO_LARGE, except where only one end of the file is asked for. Default 16 MB. */
  maxBytes?: number;
  /** The first or last `maxBytes` are enough. */
  part?: 'whole' | 'start' | 'end';
  patienceMs?: number;
}

/** Open for reading. Errors: UnfitFileError, and those of open(2). */
export async function openRegularFile(path: string, options: OpenRegularOptions): Promise<FileHandle> {
  return (await openKnown(path, options)).handle;
}

/** With what is known of it: another question is another trip to the thread pool. */
async function openKnown(
  path: string,
  options: OpenRegularOptions,
): Promise<{ handle: FileHandle; found: Stats }> {
  const { links, within } = options;
  // Where the flag is missing this is the best there is.
  if (links === 'refused' && noFollow === 0 && (await lstat(path)).isSymbolicLink()) throw linked(path);
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | nonBlocking | (links === 'refused' ? noFollow : 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP' && links === 'refused') throw linked(path, error);
    // What open(2) says of a socket, and of a device that nothing is behind.
    if (code === 'ENXIO' || code === 'ENODEV')
      throw new UnfitFileError(path, 'NOT_REGULAR', 'is no file', { cause: error });
    throw error;
  }
  try {
    const found = await handle.stat();
    if (found.isFile()) {
      if (within !== undefined) await assertWithin(path, handle, within);
      return { handle, found };
    }
    if (found.isDirectory()) throw new UnfitFileError(path, 'EISDIR', 'is a directory');
    throw new UnfitFileError(path, 'NOT_REGULAR', `is ${found.isFIFO() ? 'a pipe' : 'a device'}`);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What is open counts, and not what its path leads to a moment later; only Linux tells (proc(5)). */
async function assertWithin(path: string, handle: FileHandle, folder: string): Promise<void> {
  const top = await realpath(folder);
  const real =
    process.platform === 'linux' ? await readlink(`/proc/self/fd/${handle.fd}`) : await realpath(path);
  if (real.startsWith(top.endsWith(sep) ? top : `${top}${sep}`)) return;
  throw new UnfitFileError(path, 'OUTSIDE', `leads out of ${folder}`);
}

const linked = (path: string, cause?: unknown): UnfitFileError =>
  new UnfitFileError(path, 'ELOOP', 'is a symbolic link', { cause });

/** The bytes of a regular file. Errors: UnfitFileError, and those of open(2) and read(2). */
export function readRegularFile(path: string, options: ReadRegularOptions): Promise<Buffer> {
  return withinPatience(path, options.patienceMs ?? PATIENCE_MS, async () => {
    const { handle, found } = await openKnown(path, options);
    try {
      return await readHandle(path, handle, found, options);
    } finally {
      await handle.close();
    }
  });
}

/** The same as text; bytes that are no UTF-8 become U+FFFD. */
export async function readRegularText(path: string, options: ReadRegularOptions): Promise<string> {
  return (await readRegularFile(path, options)).toString('utf8');
}

async function readHandle(
  path: string,
  handle: FileHandle,
  { size }: Pick<Stats, 'size'>,
  { maxBytes = LARGEST, part = 'whole' }: ReadRegularOptions,
): Promise<Buffer> {
  if (part === 'whole' && size > maxBytes)
    throw new UnfitFileError(path, 'TOO_LARGE', `has ${size} bytes: expected at most ${maxBytes}`);
  const from = part === 'end' ? Math.max(0, size - maxBytes) : 0;
  const chunks: Buffer[] = [];
  let length = 0;
  // One byte more than was told: files of /proc tell none, and others may grow meanwhile.
  for (let wanted = Math.min(Math.max(size - from, 4096), maxBytes) + 1; ; wanted = 65_536) {
    const chunk = Buffer.allocUnsafe(wanted);
    const { bytesRead } = await handle.read(chunk, 0, wanted, from + length);
    chunks.push(chunk.subarray(0, bytesRead));
    length += bytesRead;
    // Only files of /proc are told in smaller pieces than were asked for.
    if (bytesRead === 0 || (size > 0 && bytesRead < wanted && length <= maxBytes))
      return Buffer.concat(chunks);
    if (length <= maxBytes) continue;
    if (part === 'whole')
      throw new UnfitFileError(path, 'TOO_LARGE', `has more than the expected ${maxBytes} bytes`);
    return Buffer.concat(chunks).subarray(0, maxBytes);
  }
}

/** The work goes on where it hangs, as nothing can end it there; its caller goes on as well. */
export async function withinPatience<Value>(
  path: string,
  patienceMs: number,
  work: () => Promise<Value>,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new UnfitFileError(path, 'TOO_SLOW', 'is not read: its file system does not answer')),
      patienceMs,
    );
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
