/** Looks at a dump by its first and last bytes, and brings it to a form that pg_restore and psql read: unpacked. */
import { createWriteStream, type ReadStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { isFullDisk } from '../../../domain/fullDisk.ts';
import type { Machine } from '../../../machine/machine.ts';
import { fail } from '../../../protocol/errors.ts';
import { openRegularFile, readRegularFile, UnfitFileError } from '../../../protocol/node/regularFile.ts';
import { isOfDirectory, readTar, unpackDirectory } from './tarMembers.ts';

export type DumpFormat = 'custom' | 'tar' | 'directory' | 'plain';
export type FileContent = DumpFormat | Packing | 'empty' | { other: string };
type Packing = 'gzip' | 'zstd';

/** Enough for pg_dump's header and for the magic of tar, which is at byte 257. */
const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 4096;

/** What the first bytes say. */
export function recognise(head: Buffer): FileContent {
  if (head.length === 0) return 'empty';
  if (head.subarray(0, 5).toString('latin1') === 'PGDMP') return 'custom';
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return 'tar';
  const begins = (...bytes: readonly number[]): boolean =>
    head.subarray(0, bytes.length).equals(Buffer.from(bytes));
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  if (begins(0x04, 0x22, 0x4d, 0x18)) return { other: 'compressed with lz4; unpack it first, by "lz4 -d"' };
  if (begins(0x42, 0x5a, 0x68)) return { other: 'compressed with bzip2; unpack it first, by "bzip2 -dk"' };
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00))
    return { other: 'compressed with xz; unpack it first, by "xz -dk"' };
  if (begins(0x50, 0x4b)) return { other: 'a zip file; unpack it first' };
  if (begins(0xff, 0xfe) || begins(0xfe, 0xff))
    return {
      other:
        'text in UTF-16, as the ">" of PowerShell writes it, which loses letters; make it with pg_dump --file',
    };
  if (begins(0x6d, 0xe2, 0x99, 0x81)) return { other: 'a dump of MongoDB' };
  const start = head.subarray(0, 1024).toString('latin1');
  if (start.startsWith('SQLite format 3') || /^PRAGMA foreign_keys=OFF;/.test(start))
    return { other: 'of SQLite' };
  if (/^(?:\/\*.*\*\/;?\s*)?-- (?:MySQL|MariaDB) dump/.test(start)) return { other: 'a dump of MySQL' };
  if (head.includes(0)) return { other: 'neither a pg_dump archive nor text' };
  return 'plain';
}

export interface PreparedDump {
  format: DumpFormat;
  /** The dump itself, or its unpacked copy in the scratch folder. */
  file: string;
  /** True when `file` is a copy that may be given away. */
  isCopy: boolean;
  /** It is compressed, and nobody unpacked it: `head` is all that is known of what is in it. */
  isPacked: boolean;
  /** The first bytes, unpacked; empty for a directory. */
  head: Buffer;
  modifiedAt: Date;
  bytes: number;
}

export interface PrepareDumpOptions {
  machine: Machine;
  dump: string;
  /** Undefined: only look, don't unpack. */
  scratch: string | undefined;
  signal: AbortSignal | undefined;
  onProgress?: (fraction: number) => void;
  /** Called with a folder that has no more than toc.dat yet, before the rest of a packed directory is unpacked: rejects where that would be in vain. */
  checkContents?: (folder: string) => Promise<void>;
}

/** Rejects with `dump_unreadable`. Reads files of this machine. */
export async function prepareDump(options: PrepareDumpOptions): Promise<PreparedDump> {
  const { machine, dump, signal } = options;
  const unreadable = (problem: string, cause?: unknown): Error =>
    fail('dump_unreadable', { file: dump, problem }, cause === undefined ? {} : { cause });
  if (!path.isAbsolute(dump)) throw unreadable('its path is not absolute');
  if (dump.includes('\0')) throw unreadable('its path holds a NUL character');
  const stat = await machine.files.stat(dump);
  if (stat === undefined) throw unreadable('there is no such file');
  const found = { modifiedAt: stat.modifiedAt, bytes: stat.bytes };
  if (stat.kind === 'directory') {
    const contents = await machine.files.stat(path.join(dump, 'toc.dat'));
    if (contents === undefined) {
      throw unreadable('it is a directory without toc.dat, so pg_dump did not make or not finish it');
    }
    if (contents.kind !== 'file') throw unreadable('its toc.dat is not a file');
    await checkDataFiles(machine, dump, unreadable);
    return {
      format: 'directory',
      file: dump,
      isCopy: false,
      isPacked: false,
      head: Buffer.alloc(0),
      ...found,
    };
  }
  if (stat.kind === 'other') throw unreadable('it is not a file');
  let head = await readAt(dump, 'start', HEAD_BYTES, unreadable);
  let content = recognise(head);
  let file = dump;
  const packing = content === 'gzip' || content === 'zstd' ? content : undefined;
  if (packing !== undefined) {
    head = await firstUnpackedBytes(dump, packing, unreadable);
    content = recognise(head);
    if (content === 'gzip' || content === 'zstd') throw unreadable('it is compressed twice');
    if (options.scratch !== undefined) {
      file = path.join(options.scratch, 'unpacked');
      await unpack(dump, file, packing, found.bytes, options, unreadable);
    }
  }
  if (content === 'empty') throw unreadable('it is empty');
  if (typeof content === 'object') throw unreadable(`it is ${content.other}`);
  const isPacked = packing !== undefined && file === dump;
  if (content === 'plain' && !isPacked) {
    signal?.throwIfAborted();
    await checkEndMark(file, unreadable);
  }
  const facts = { isCopy: file !== dump, isPacked, head, ...found };
  if (content !== 'tar' || isPacked) return { format: content as DumpFormat, file, ...facts };
  const tar = await readTar(file);
  if (!tar.ok) throw unreadable(tar.problem);
  if (!isOfDirectory(tar.members)) return { format: 'tar', file, ...facts };
  if (options.scratch === undefined) return { format: 'directory', file, ...facts, isPacked: true };
  const folder = path.join(options.scratch, 'directory');
  await machine.files.makeDirectory(folder, { mode: 0o700 });
  await unpackDirectory(file, tar.members, folder, {
    signal,
    begun: async () => await options.checkContents?.(folder),
  });
  if (file !== dump) await machine.files.remove(file);
  await checkDataFiles(machine, folder, unreadable);
  return { format: 'directory', file: folder, ...facts, isCopy: true };
}

type Unreadable = (problem: string, cause?: unknown) => Error;

async function readAt(
  file: string,
  from: 'start' | 'end',
  bytes: number,
  unreadable: Unreadable,
): Promise<Buffer> {
  try {
    return await readRegularFile(file, { links: 'followed', maxBytes: bytes, part: from });
  } catch (error) {
    if (error instanceof UnfitFileError) throw unreadable(`it ${error.problem}`, error);
    throw unreadable(error instanceof Error ? error.message : String(error), error);
  }
}

async function streamOf(file: string, unreadable: Unreadable): Promise<ReadStream> {
  try {
    return (await openRegularFile(file, { links: 'followed' })).createReadStream();
  } catch (error) {
    throw unreadable(error instanceof Error ? error.message : String(error), error);
  }
}

/** Node has zstd since 22.15. */
function unpacker(packing: Packing, unreadable: Unreadable): Transform {
  if (packing === 'gzip') return zlib.createGunzip();
  if (!('createZstdDecompress' in zlib))
    throw unreadable('it is compressed with zstd; unpack it first, by "zstd -d"');
  return zlib.createZstdDecompress();
}

async function firstUnpackedBytes(file: string, packing: Packing, unreadable: Unreadable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const source = await streamOf(file, unreadable);
  const unpacked = source.pipe(unpacker(packing, unreadable));
  source.on('error', (error) => unpacked.destroy(error));
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= HEAD_BYTES) break;
    }
  } catch (error) {
    // Cut off within its first bytes; enough may be there to say what it is, and unpacking tells the rest.
    if (length === 0) throw unreadable(explainPacked(error), error);
  } finally {
    source.destroy();
    unpacked.destroy();
  }
  return Buffer.concat(chunks);
}

async function unpack(
  from: string,
  to: string,
  packing: Packing,
  total: number,
  options: PrepareDumpOptions,
  unreadable: Unreadable,
): Promise<void> {
  const source = await streamOf(from, unreadable);
  let read = 0;
  source.on('data', (chunk) => {
    read += chunk.length;
    options.onProgress?.(read / Math.max(total, 1));
  });
  try {
    await pipeline(
      source,
      unpacker(packing, unreadable),
      createWriteStream(to, { mode: 0o600, flags: 'wx' }),
      {
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      },
    );
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isFullDisk(error)) {
      const { freeBytes } = await options.machine.files.space(path.dirname(to));
      throw fail('storage_full', { storage: path.dirname(to), freeBytes }, { cause: error });
    }
    throw unreadable(explainPacked(error), error);
  }
}

function explainPacked(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'Z_BUF_ERROR') return 'it is cut off: its compressed data ends too early';
  if (/unexpected end|Src size is incorrect/i.test(message)) return `it is cut off (${message})`;
  if (code === 'Z_DATA_ERROR' || String(code).startsWith('ZSTD_error_'))
    return `its compressed data is damaged (${message})`;
  return message;
}

/** pg_dump ends each plain dump with a mark; without it the last tables are missing, and nothing else would tell. */
async function checkEndMark(file: string, unreadable: Unreadable): Promise<void> {
  const head = (await readAt(file, 'start', HEAD_BYTES, unreadable)).toString('latin1');
  if (!/^-- PostgreSQL database (?:cluster )?dump\s*$/m.test(head)) return;
  const tail = (await readAt(file, 'end', TAIL_BYTES, unreadable)).toString('latin1');
  if (!/^-- PostgreSQL database (?:cluster )?dump complete\s*$/m.test(tail)) {
    throw unreadable('it is cut off: the mark that pg_dump writes at the end is missing');
  }
}

/** The same for a directory of files that are not compressed: pg_dump ends the data of a table with empty lines. */
async function checkDataFiles(machine: Machine, dump: string, unreadable: Unreadable): Promise<void> {
  for (const { name } of await machine.files.list(dump)) {
    if (!/^\d+\.dat$/.test(name)) continue;
    const tail = await readAt(path.join(dump, name), 'end', 2, unreadable);
    if (tail.toString('latin1') !== '\n\n') throw unreadable(`it is cut off: the end of ${name} is missing`);
  }
}
