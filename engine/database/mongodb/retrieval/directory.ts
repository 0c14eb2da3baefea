/** Retrieves from the data directory of a stopped server: copies it when it can be used, and prepares the copy. */
import path from 'node:path';
import type { Machine } from '../../../machine/machine.ts';
import type { MemberDefinition } from '../../../protocol/entities.ts';
import { fail } from '../../../protocol/errors.ts';
import { copyDirectory } from '../../copyDirectory.ts';
import type { Retrieved } from '../../database.ts';
import { portion } from '../../portion.ts';
import { flavours, versionText, type Flavour } from '../flavours.ts';
import { settleData } from '../prepare.ts';
import { type Workbench } from '../workbench.ts';
import { fullTarget } from '../../fullTarget.ts';

/** What a server that starts on the copy makes anew, or must not find there. */
const LEFT_OUT: ReadonlySet<string> = new Set(['mongod.lock', 'diagnostic.data', 'state.json']);

export interface DirectoryFacts {
  flavour: Flavour;
  clean: boolean;
  changedAt: Date;
}

/** Rejects with `directory_unusable`. */
export async function inspectDirectory(machine: Machine, directory: string): Promise<DirectoryFacts> {
  const unusable = (problem: string): Error => fail('directory_unusable', { directory, problem });
  const found = await machine.files.stat(directory);
  if (found === undefined) throw unusable('there is no such folder');
  if (found.kind !== 'directory') throw unusable('it is not a folder');
  const entries = await machine.files.list(directory);
  const names = new Set(entries.map(({ name }) => name));
  const flavour = flavours.find(({ traits }) => names.has(traits.dataFile));
  if (flavour === undefined)
    throw unusable(
      'it has neither a file WiredTiger (mongod) nor admin.sqlite (FerretDB), so it holds no data of MongoDB',
    );
  const link = entries.find(({ kind, name }) => kind === 'symlink' && !LEFT_OUT.has(name));
  if (link !== undefined)
    throw unusable(
      `${link.name} is a link, so a part of it lies outside. Take a copy with everything in one place`,
    );
  const clean = await checkStopped(machine, directory, flavour, names, unusable);
  const times = await Promise.all(
    entries.map(
      async ({ name }) => (await machine.files.stat(path.join(directory, name)))?.modifiedAt.getTime() ?? 0,
    ),
  );
  return { flavour, clean, changedAt: new Date(Math.max(0, ...times)) };
}

/** Whether it was stopped as it should be. A FerretDB that runs is known by nothing that it writes: it is noticed by what changes. */
async function checkStopped(
  machine: Machine,
  directory: string,
  { traits }: Flavour,
  names: ReadonlySet<string>,
  unusable: (problem: string) => Error,
): Promise<boolean> {
  if (traits.pidFile === undefined) return ![...names].some((name) => name.endsWith('.sqlite-wal'));
  const text = await machine.files.read(path.join(directory, traits.pidFile), { maxBytes: 1024 });
  const pid = Number.parseInt(text ?? '', 10);
  if (!Number.isInteger(pid) || pid <= 0) return true;
  const line = await machine.processes.commandLine(pid);
  if (line !== undefined && /mongod/.test(line[0] ?? ''))
    throw unusable(`its server is running (process ${pid}). Stop it first, or use the retrieval "logical"`);
  return false;
}

export async function retrieveDirectory(
  bench: Workbench,
  facts: DirectoryFacts,
  { directory = '', database: wanted }: Pick<MemberDefinition, 'directory' | 'database'>,
): Promise<Retrieved> {
  const { machine, report, signal, server } = bench;
  report.phase('copying');
  report.line(`Copying ${directory} (${facts.flavour.title}).`);
  if (!facts.clean)
    report.line('Its server was not stopped cleanly: the copy is recovered from its journal.', 'warning');
  await copyDirectory({
    ...{ machine, from: directory, to: bench.target, leaveOut: LEFT_OUT, mark: bench.mark, signal },
    report: portion(report, 0, 0.6),
    explain: (error) => fullTarget(bench, error),
    inspect: () => inspectDirectory(machine, directory),
  });
  const databases = await settleData({ ...bench, report: portion(report, 0.6, 1) });
  const database = wanted ?? databases[0]?.name ?? 'test';
  if (wanted !== undefined && !databases.some(({ name }) => name === wanted)) {
    const known = databases.map(({ name }) => name).join(', ');
    throw fail('directory_unusable', {
      directory,
      problem: `it has no database "${wanted}" (it has ${known})`,
    });
  }
  return { version: versionText(server.flavour, server.version), database, dataStateAt: facts.changedAt };
}
