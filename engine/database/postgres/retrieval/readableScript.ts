/** Brings a plain dump to where psql reads it, as the server user, and to what a new cluster of its own understands. */
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isFullDisk } from '../../../domain/fullDisk.ts';
import { fail } from '../../../protocol/errors.ts';
import { openRegularFile } from '../../../protocol/node/regularFile.ts';
import type { Workbench } from '../workbench.ts';
import type { PreparedDump } from './dumpFile.ts';
import type { PlainFacts } from './dumpKind.ts';
import { rewriteLines, wantsRewriting, type RewriteOptions } from './scriptRewrite.ts';

/** psql runs as the server user, who may not read other people's files: then it gets a copy. */
export async function readableScript(
  bench: Workbench,
  scratch: string,
  prepared: PreparedDump,
  facts: Pick<PlainFacts, 'crlf'>,
): Promise<string> {
  const { machine } = bench;
  const options = { major: bench.server.major, crlf: facts.crlf };
  const isRewritten =
    wantsRewriting(prepared.head.toString('latin1'), options) ||
    (await namesTablespace(bench, prepared.file));
  if (machine.serverUser === undefined && !isRewritten) return prepared.file;
  const folder = path.join(scratch, 'script');
  const copy = path.join(folder, 'dump.sql');
  await machine.files.makeDirectory(folder, { mode: 0o700 });
  if (isRewritten) await rewrite(bench, prepared.file, copy, options);
  else if (prepared.isCopy) await machine.files.rename(prepared.file, copy);
  else await copyScript(bench, prepared.file, copy);
  if (isRewritten && prepared.isCopy) await machine.files.remove(prepared.file);
  await machine.files.giveToServerUser(folder);
  return copy;
}

async function namesTablespace(bench: Workbench, file: string): Promise<boolean> {
  return await bench.machine.run(
    {
      program: 'grep',
      args: [
        '-m',
        '1',
        '-aqE',
        "^SET default_tablespace = [^']|^CREATE DATABASE .* TABLESPACE = ",
        '--',
        file,
      ],
      env: { LC_ALL: 'C' },
      parse: ({ code }) => code === 0,
    },
    { signal: bench.signal },
  );
}

async function rewrite(bench: Workbench, from: string, to: string, options: RewriteOptions): Promise<void> {
  const source = (await openRegularFile(from, { links: 'followed' })).createReadStream();
  try {
    const target = createWriteStream(to, { mode: 0o600, flags: 'wx' });
    await pipeline(source, rewriteLines(options), target, { signal: bench.signal });
  } catch (error) {
    bench.signal.throwIfAborted();
    if (!isFullDisk(error)) throw error;
    const { freeBytes } = await bench.machine.files.space(path.dirname(to));
    throw fail('storage_full', { storage: path.dirname(to), freeBytes }, { cause: error });
  }
}

async function copyScript({ machine, mark, signal }: Workbench, from: string, to: string): Promise<void> {
  await machine.run(
    {
      program: 'cp',
      args: [...(machine.platform === 'linux' ? ['--reflink=auto'] : []), '--', from, to],
      env: { LC_ALL: 'C' },
      mark,
      parse: (result) => {
        if (result.code !== 0) throw new Error(result.stderr.trim());
      },
    },
    { signal },
  );
}
