/** Runs `zfs` and `zpool`: reading as anybody, changing as root or through sudo, which is allowed exact commands. */
import { setTimeout as delay } from 'node:timers/promises';
import type { CommandResult, Machine } from '../../machine/machine.ts';
import { fail } from '../../protocol/errors.ts';
import { poolOf } from './names.ts';
import { refusalOf } from './refusals.ts';
import { parseTable } from './table.ts';

export type Row<Columns extends readonly string[]> = Record<Columns[number], string>;

export interface ZfsCommands {
  /** `zfs list` of one dataset, with what `options` add ("-r", "-t", "snapshot"). Errors: those of `refusalOf`. */
  list<const Columns extends readonly string[]>(
    dataset: string,
    columns: Columns,
    options?: readonly string[],
  ): Promise<Row<Columns>[]>;
  /** Changes something; `dataset` is what the command is about. It is never interrupted: each is one atomic step. */
  change(dataset: string, args: readonly string[]): Promise<void>;
  /** The server user's directory, where sudo is needed for it. */
  giveAway(path: string): Promise<void>;
  /** Waits for work in a dataset that the kernel may hold up for ever. Errors: storage_suspended. */
  answered<Value>(dataset: string, work: Promise<Value>): Promise<Value>;
  isSuspended(dataset: string): Promise<boolean>;
}

/** Debian, Ubuntu and Fedora; without merged folders; built by hand; Arch. sudo goes by the whole path. */
const places = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin'];

/** Where the program lies, or undefined. */
export async function findProgram(machine: Machine, name: 'zfs' | 'zpool'): Promise<string | undefined> {
  for (const place of places) if (await machine.files.stat(`${place}/${name}`)) return `${place}/${name}`;
  return undefined;
}

/** Before it is asked whether the pool is suspended: then commands wait for ever (zpoolprops(7), failmode). */
const patienceMs = 20_000;

/** As tools.ts marks what it runs, so that an engine ends what a killed one left. */
const markOf = (root: string): string => `storage ${root}`;

export interface ZfsCommandsOptions {
  machine: Machine;
  /** Marks the processes. */
  root: string;
  patience?: number;
}

/** Errors: programs_missing. */
export async function createZfsCommands(options: ZfsCommandsOptions): Promise<ZfsCommands> {
  const { machine, root, patience = patienceMs } = options;
  const zfs = await findProgram(machine, 'zfs');
  if (zfs === undefined)
    throw fail('programs_missing', {
      what: 'The program zfs',
      searched: places,
      install:
        'Install OpenZFS 2.1 or newer: apt-get install zfsutils-linux (Debian: with zfs-dkms, of contrib).',
    });

  const run = <Value>(
    dataset: string,
    program: string,
    args: readonly string[],
    parse: (stdout: string) => Value,
  ): Promise<Value> => {
    const work = machine.run({
      ...{ program, args, env: { LC_ALL: 'C' }, mark: markOf(root) },
      parse: (result: CommandResult) => {
        if (result.code === 0) return parse(result.stdout);
        throw refusalOf(dataset, result.stderr, result.signal ?? `code ${String(result.code)}`);
      },
    });
    return answered(work, () => isSuspended(machine, poolOf(dataset)), dataset, patience);
  };
  const asRoot = (dataset: string, program: string, args: readonly string[]): Promise<void> =>
    machine.isRoot
      ? run(dataset, program, args, () => undefined)
      : run(dataset, 'sudo', ['-n', '--', program, ...args], () => undefined);

  return {
    answered: (dataset, work) =>
      answered(work, () => isSuspended(machine, poolOf(dataset)), dataset, patience),
    isSuspended: (dataset) => isSuspended(machine, poolOf(dataset)),
    list: (dataset, columns, listing = []) =>
      run(dataset, zfs, ['list', '-H', '-p', '-o', columns.join(','), ...listing, dataset], (stdout) =>
        parseTable(stdout, columns),
      ),
    change: (dataset, args) => asRoot(dataset, zfs, args),
    async giveAway(path) {
      if (machine.isRoot) {
        await machine.files.makeDirectory(path, { mode: 0o700, serverUser: true });
        return;
      }
      const owner = await ownUser(machine);
      await asRoot(path, '/usr/bin/chown', ['-h', owner, path]);
      await machine.files.makeDirectory(path, { mode: 0o700 });
    },
  };
}

/** "1000:1000". */
export const ownUser = async (machine: Machine): Promise<string> => {
  const ask = (option: string): Promise<string> =>
    machine.run({ program: 'id', args: [option], parse: ({ stdout }) => stdout.trim() });
  return `${await ask('-u')}:${await ask('-g')}`;
};

async function isSuspended(machine: Machine, pool: string): Promise<boolean> {
  const zpool = await findProgram(machine, 'zpool');
  if (zpool === undefined) return false;
  return machine.run({
    ...{ program: zpool, args: ['list', '-H', '-p', '-o', 'name,health', pool], env: { LC_ALL: 'C' } },
    parse: ({ stdout }) =>
      parseTable(stdout, ['name', 'health']).some(({ health }) => health === 'SUSPENDED'),
  });
}

/** A command on a suspended pool waits for ever: who waits for it is told why. */
async function answered<Value>(
  work: Promise<Value>,
  suspended: () => Promise<boolean>,
  dataset: string,
  patience: number,
): Promise<Value> {
  const ended = new AbortController();
  const watch = async (): Promise<never> => {
    for (;;) {
      await delay(patience, undefined, { signal: ended.signal });
      if (await suspended()) throw fail('storage_suspended', { pool: poolOf(dataset) });
    }
  };
  try {
    return await Promise.race([work, watch()]);
  } finally {
    ended.abort();
  }
}
