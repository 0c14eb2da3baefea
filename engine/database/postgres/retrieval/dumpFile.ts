/** Looks at a dump by its first and last bytes, and brings it to a form that pg_restore and psql read: unpacked. */
import { createWriteStream, type ReadStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { isFullDisk } from '../../../domain/fullDisk.ts';
import type { Machine } from '../../../machine/machine.ts';
import { fail } from '../../../protocol/errors.ts';
import { openRegularFile, readRegularFile, UnfitFileError } from '../../../protocol/node/regularFile.ts';

export type DumpFormat = 'custom' | 'tar' | 'directory' | 'plain';
export type FileContent = DumpFormat | 'gzip' | 'empty' | { other: string };

/** Enough for pg_dump's header and for the magic of tar, which is at byte 257. */
const HEAD_BYTES = 64 * 1024;
const TAIL_BYTES = 4096;

/** What the first bytes say. */
export function recognise(head: Buffer): FileContent {
  if (head.length === 0) return 'empty';
  if (head.subarray(0, 5).toString('latin1') === 'PGDMP') return 'custom';
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return 'tar';
  if (head.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd])))
    return { other: 'compressed with zstd' };
  if (head.subarray(0, 4).equals(Buffer.from([0x04, 0x22, 0x4d, 0x18])))
    return { other: 'compressed with lz4' };
  if (head.subarray(0, 3).toString('latin1') === 'BZh') return { other: 'compressed with bzip2' };
  if (head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))) {
    return { other: 'compressed with xz' };
  }
  if (head.subarray(0, 2).toString('latin1') === 'PK') return { other: 'a zip file' };
  if (head.includes(0)) return { other: 'neither a pg_dump archive nor text' };
  return 'plain';
}

export interface PreparedDump {
  format: DumpFormat;
  /** The dump itself, or its unpacked copy in the scratch folder. */
  file: string;
  /** True when `file` is a copy that may be given away. */
  isCopy: boolean;
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
    return { format: 'directory', file: dump, isCopy: false, ...found };
  }
  if (stat.kind === 'other') throw unreadable('it is not a file');
  let content = recognise(await readAt(dump, 'start', HEAD_BYTES, unreadable));
  let file = dump;
  const isPacked = content === 'gzip';
  if (content === 'gzip') {
    content = recognise(await firstUnpackedBytes(dump, unreadable));
    if (content === 'gzip') throw unreadable('it is compressed twice');
    if (options.scratch !== undefined) {
      file = path.join(options.scratch, 'unpacked');
      await unpack(dump, file, found.bytes, options, unreadable);
    }
  }
  if (content === 'empty') throw unreadable('it is empty');
  if (typeof content === 'object') {
    throw unreadable(
      `it is ${content.other}${content.other.startsWith('compressed') ? '; unpack it first' : ''}`,
    );
  }
  if (content === 'plain' && (file !== dump || !isPacked)) {
    signal?.throwIfAborted();
    await checkEndMark(file, unreadable);
  }
  if (content === 'tar' && (file !== dump || !isPacked)) await checkTar(file, unreadable);
  return { format: content, file, isCopy: file !== dump, ...found };
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

async function firstUnpackedBytes(file: string, unreadable: Unreadable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const source = await streamOf(file, unreadable);
  const unpacked = source.pipe(createGunzip());
  source.on('error', (error) => unpacked.destroy(error));
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= HEAD_BYTES) break;
    }
  } catch (error) {
    // Cut off within its first bytes; enough may be there to say what it is, and unpacking tells the rest.
    if (length === 0) throw unreadable(explainGzip(error), error);
  } finally {
    source.destroy();
    unpacked.destroy();
  }
  return Buffer.concat(chunks);
}

async function unpack(
  from: string,
  to: string,
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
    await pipeline(source, createGunzip(), createWriteStream(to, { mode: 0o600, flags: 'wx' }), {
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isFullDisk(error)) {
      const { freeBytes } = await options.machine.files.space(path.dirname(to));
      throw fail('storage_full', { storage: path.dirname(to), freeBytes }, { cause: error });
    }
    throw unreadable(explainGzip(error), error);
  }
}

function explainGzip(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'Z_BUF_ERROR') return 'it is cut off: its compressed data ends too early';
  if (code === 'Z_DATA_ERROR') return `its compressed data is damaged (${message})`;
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

/**
 * pg_restore takes the end of a cut tar file for the end of a table, and restores what there is without a word. A whole
 * one ends with a block of zeros after its last member (POSIX pax, "ustar Interchange Format").
 */
async function checkTar(file: string, unreadable: Unreadable): Promise<void> {
  const handle = await openRegularFile(file, { links: 'followed' });
  try {
    const header = Buffer.alloc(512);
    for (let at = 0; ;) {
      const { bytesRead } = await handle.read(header, 0, 512, at);
      if (bytesRead < 512) throw unreadable('it is cut off: the end of the tar file is missing');
      if (header.every((byte) => byte === 0)) return;
      const size = Number.parseInt(header.subarray(124, 136).toString('latin1').replace(/[\0 ]/g, ''), 8);
      if (!Number.isInteger(size)) throw unreadable(`it is damaged: no tar header at byte ${at}`);
      at += 512 + Math.ceil(size / 512) * 512;
    }
  } finally {
    await handle.close();
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

export interface PlainFacts {
  /** Major version of the dumped server, if the header tells it. */
  major: number | undefined;
  /** The oldest server that knows all settings of the header. */
  atLeast: number;
  /** True when the script makes its database itself (pg_dump --create, pg_dumpall). */
  createsDatabase: boolean;
}

/** What the first part of a plain dump tells about where it has to go. */
export async function readPlainHead(file: string): Promise<PlainFacts> {
  const head = (
    await readAt(file, 'start', HEAD_BYTES, (problem) => fail('dump_unreadable', { file, problem }))
  ).toString('utf8');
  const version = /^-- Dumped from database version (\d+)/m.exec(head)?.[1];
  return {
    major: version === undefined ? undefined : Number(version),
    atLeast: /^SET transaction_timeout = /m.test(head) ? 17 : 13,
    createsDatabase: /^(?:CREATE DATABASE |\\connect )/m.test(head),
  };
}
