/** Writes what is left of a plain dump after a statement that failed, so that psql can go on in the same state. */
import { createWriteStream, type WriteStream } from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { isFullDisk } from '../../../domain/fullDisk.ts';
import { fail } from '../../../protocol/errors.ts';
import { openRegularFile } from '../../../protocol/node/regularFile.ts';
import type { Workbench } from '../workbench.ts';
import type { Stretch } from './scriptListing.ts';
import { createQuotes } from './scriptRewrite.ts';

export interface ScriptPart {
  file: string;
  holdsRows: boolean;
  database: string | undefined;
  /** The line of the script that stands at a line of the file. */
  lineOf: (line: number) => number;
}

/** What a session keeps: settings, its role, the database it is in, and which commands psql refuses. */
const STATE = /^(?:SET |RESET |SELECT pg_catalog\.set_config\(|\\(?:connect|restrict|unrestrict) )/;

const BEGINS = /^(?:BEGIN|START TRANSACTION)\b.*;\s*$/i;
const ENDS = /^(?:COMMIT|END|ROLLBACK|ABORT)\b.*;\s*$/i;

/**
 * One file for each stretch, readable by the server user. Undefined: one would begin in the middle of a transaction, of which
 * what came before is lost. Errors: storage_full.
 */
export async function writeRemainder(
  bench: Workbench,
  script: string,
  folder: string,
  { after, stretches }: { after: number; stretches: readonly Stretch[] },
): Promise<readonly ScriptPart[] | undefined> {
  const begin = stretches.filter(({ from }) => from > after);
  const current = stretches.findLast(({ from }) => from <= after);
  const parts = [
    { from: after + 1, holdsRows: current?.holdsRows ?? false, database: current?.database },
    ...begin,
  ];
  const written: ScriptPart[] = [];
  await bench.machine.files.makeDirectory(folder, { mode: 0o700 });
  const begun: boolean[] = [];
  const cut = createCutter(parts, async ({ holdsRows, database, from }, { stateLines, inTransaction }) => {
    begun.push(inTransaction);
    const file = path.join(folder, `part-${written.length + 1}.sql`);
    written.push({ file, holdsRows, database, lineOf: (line) => Math.max(line - stateLines, 0) + from - 1 });
    return createWriteStream(file, { mode: 0o600, flags: 'wx' });
  });
  try {
    const source = (await openRegularFile(script, { links: 'followed' })).createReadStream();
    await pipeline(source, cut, { signal: bench.signal });
  } catch (error) {
    bench.signal.throwIfAborted();
    if (!isFullDisk(error)) throw error;
    const { freeBytes } = await bench.machine.files.space(folder);
    throw fail('storage_full', { storage: folder, freeBytes }, { cause: error });
  }
  await bench.machine.files.giveToServerUser(folder);
  return begun.includes(true) ? undefined : written;
}

/** Bytes stay what they are: a dump may have any encoding. */
function createCutter(
  parts: readonly Stretch[],
  open: (part: Stretch, at: { stateLines: number; inTransaction: boolean }) => Promise<WriteStream>,
): Writable {
  const state: string[] = [];
  const isQuoted = createQuotes();
  let isData = false;
  let inTransaction = false;
  let line = 0;
  let next = 0;
  let rest = '';
  let output: WriteStream | undefined;
  const keep = (text: string): void => {
    if (isData) isData = text !== '\\.';
    else if (!isQuoted(text)) {
      if (STATE.test(text)) state.push(text);
      if (BEGINS.test(text)) inTransaction = true;
      else if (ENDS.test(text)) inTransaction = false;
      isData = /^COPY .* FROM stdin;$/.test(text);
    }
  };
  const write = async (text: string): Promise<void> => {
    if (output === undefined || text === '') return;
    const stream = output;
    await new Promise<void>((resolve, reject) => {
      stream.write(text, 'latin1', (error) => (error == null ? resolve() : reject(error)));
    });
  };
  const close = async (): Promise<void> => {
    output?.end();
    if (output !== undefined) await finished(output);
  };
  const take = async (text: string): Promise<void> => {
    let pending = '';
    let from = 0;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', from)) {
      line += 1;
      const part = parts[next];
      if (part !== undefined && line === part.from) {
        await write(pending);
        pending = '';
        await close();
        next += 1;
        output = await open(part, { stateLines: state.length, inTransaction });
        await write(state.map((each) => `${each}\n`).join(''));
      }
      const content = text.slice(from, at);
      keep(content);
      if (output !== undefined) pending += `${content}\n`;
      from = at + 1;
    }
    rest = text.slice(from);
    await write(pending);
  };
  const settle = (work: Promise<void>, done: (error?: Error | null) => void): void => {
    work.then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  };
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => settle(take(rest + chunk.toString('latin1')), done),
    final: (done) => settle(take(rest === '' ? '' : `${rest}\n`).then(close), done),
    destroy: (error, done) => {
      output?.destroy();
      done(error);
    },
  });
}
