/** Takes the files of a pg_dump directory out of a tar file that somebody packed it into. */
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { openRegularFile } from '../../../protocol/node/regularFile.ts';

export interface TarMember {
  /** With the folders in front, as it is stored. */
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

export type TarReading =
  | { readonly ok: true; readonly members: readonly TarMember[] }
  | { readonly ok: false; readonly problem: string };

const BLOCK = 512;
/** pg_dump's own names have at most 30 letters; what is longer is none of them. */
const NAMES_BYTES = 64 * 1024;

/**
 * Reads the headers of all members (POSIX pax, "ustar Interchange Format"). A whole one ends with a block of zeros: pg_restore
 * takes the end of a cut tar file for the end of a table, and restores what there is without a word.
 */
export async function readTar(file: string): Promise<TarReading> {
  const handle = await openRegularFile(file, { links: 'followed' });
  const members: TarMember[] = [];
  let longName: string | undefined;
  try {
    const header = Buffer.alloc(BLOCK);
    for (let at = 0; ;) {
      const { bytesRead } = await handle.read(header, 0, BLOCK, at);
      if (bytesRead < BLOCK)
        return { ok: false, problem: 'it is cut off: the end of the tar file is missing' };
      if (header.every((byte) => byte === 0)) return { ok: true, members };
      const field = (from: number, to: number): string =>
        header.subarray(from, to).toString('latin1').replace(/\0.*$/s, '');
      const bytes = Number.parseInt(field(124, 136).replace(/ /g, ''), 8);
      if (!Number.isInteger(bytes))
        return { ok: false, problem: `it is damaged: no tar header at byte ${at}` };
      const kind = field(156, 157);
      const data = at + BLOCK;
      if ((kind === 'L' || kind === 'x') && bytes <= NAMES_BYTES) {
        const text = Buffer.alloc(bytes);
        await handle.read(text, 0, bytes, data);
        const name = text.toString('latin1').replace(/\0.*$/s, '');
        longName = kind === 'L' ? name : (/(?:^|\n)\d+ path=(.*)\n/.exec(name)?.[1] ?? longName);
      } else {
        const prefix = field(257, 262) === 'ustar' && field(263, 265) === '00' ? field(345, 500) : '';
        const name = longName ?? (prefix === '' ? field(0, 100) : `${prefix}/${field(0, 100)}`);
        if (kind === '' || kind === '0') members.push({ name, at: data, bytes });
        longName = undefined;
      }
      at = data + Math.ceil(bytes / BLOCK) * BLOCK;
    }
  } finally {
    await handle.close();
  }
}

/** pg_dump's own tar files have toc.dat first and a restore.sql, and no folder. */
export function isOfDirectory(members: readonly TarMember[]): boolean {
  const names = members.map(({ name }) => name);
  return !names.includes('restore.sql') && names.some((name) => /(?:^|\/)toc\.dat$/.test(name));
}

const OWN_FILE =
  /^(?:toc\.dat|\d+\.dat(?:\.gz|\.lz4|\.zst)?|blobs(?:_\d+)?\.toc|blob_\d+\.dat(?:\.gz|\.lz4|\.zst)?)$/;

/**
 * Only pg_dump's own names, beside its toc.dat: whatever else is packed along is not unpacked, links least of all. `begun` is
 * called when toc.dat is there and the rest is not.
 */
export async function unpackDirectory(
  file: string,
  members: readonly TarMember[],
  into: string,
  { signal, begun }: { signal: AbortSignal | undefined; begun: () => Promise<void> },
): Promise<void> {
  const contents = members.find(({ name }) => /(?:^|\/)toc\.dat$/.test(name));
  const folder = path.posix.dirname(contents?.name ?? '');
  const handle = await openRegularFile(file, { links: 'followed' });
  try {
    const unpack = async ({ name, at, bytes }: TarMember): Promise<void> => {
      const target = createWriteStream(path.join(into, path.posix.basename(name)), {
        mode: 0o600,
        flags: 'wx',
      });
      if (bytes === 0) {
        await finished(target.end());
        return;
      }
      const source = handle.createReadStream({ start: at, end: at + bytes - 1, autoClose: false });
      await pipeline(source, target, signal === undefined ? {} : { signal });
    };
    if (contents !== undefined) await unpack(contents);
    await begun();
    for (const member of members) {
      const isOwn =
        path.posix.dirname(member.name) === folder && OWN_FILE.test(path.posix.basename(member.name));
      if (isOwn && member !== contents) await unpack(member);
    }
  } finally {
    await handle.close();
  }
}
