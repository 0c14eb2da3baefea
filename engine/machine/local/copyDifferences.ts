/** Makes one tree of files equal to another by writing the blocks that differ. */
import { constants, type Dirent } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readlink, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** Read at once. */
const PIECE = 1024 * 1024;
/** Compared and written: a page of a database, and what file systems share at least. */
const BLOCK = 8192;

/** Errors are the operating system's own. Nothing but files, folders and links is taken along: a stopped server leaves nothing else. */
export async function copyDifferences(from: string, to: string, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const [entries, present] = await Promise.all([sorted(from), sorted(to)]);
  const before = new Map(present.map((entry) => [entry.name, entry]));
  for (const { name } of present)
    if (!entries.some((entry) => entry.name === name)) await rm(join(to, name), { recursive: true });
  for (const entry of entries) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    const old = before.get(entry.name);
    const isSameKind = old !== undefined && kindOf(old) === kindOf(entry);
    if (old !== undefined && !isSameKind) await rm(target, { recursive: true });
    if (entry.isDirectory()) {
      if (!isSameKind) await mkdir(target);
      await copyDifferences(source, target, signal);
    } else if (entry.isSymbolicLink()) {
      if (isSameKind) await rm(target);
      await symlink(await readlink(source), target);
    } else if (entry.isFile()) await copyFileDifferences(source, target, signal);
  }
  await copyFacts(from, to);
}

const kindOf = (entry: Dirent): string =>
  entry.isDirectory() ? 'directory' : entry.isFile() ? 'file' : entry.isSymbolicLink() ? 'link' : 'other';

const sorted = async (folder: string): Promise<Dirent[]> =>
  (await readdir(folder, { withFileTypes: true })).sort((one, other) => (one.name < other.name ? -1 : 1));

async function copyFacts(from: string, to: string): Promise<void> {
  const { mode, atimeMs, mtimeMs } = await lstat(from);
  await chmod(to, mode & 0o7777);
  await utimes(to, atimeMs / 1000, mtimeMs / 1000);
}

async function copyFileDifferences(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const target = await open(to, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      const pieces = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)] as const;
      for (let at = 0; ; at += PIECE) {
        signal?.throwIfAborted();
        const [wanted, present] = await Promise.all([
          source.read(pieces[0], 0, PIECE, at),
          target.read(pieces[1], 0, PIECE, at),
        ]);
        for (let start = 0; start < wanted.bytesRead; start += BLOCK) {
          const end = Math.min(start + BLOCK, wanted.bytesRead);
          const isSame =
            end <= present.bytesRead && pieces[0].compare(pieces[1], start, end, start, end) === 0;
          if (!isSame) await target.write(pieces[0], start, end - start, at + start);
        }
        if (wanted.bytesRead < PIECE) break;
      }
      await target.truncate((await source.stat()).size);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  await copyFacts(from, to);
}
