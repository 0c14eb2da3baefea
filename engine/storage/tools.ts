/** Runs the programs of file systems (btrfs, cp, mkfs ...) and turns their complaints into errors of the table. */
import { setTimeout as delay } from 'node:timers/promises';
import { saysFullDisk } from '../domain/fullDisk.ts';
import type { CommandResult, Machine, RunOptions } from '../machine/machine.ts';
import { fail, isFailure } from '../protocol/errors.ts';

export interface Tool<Value> {
  program: string;
  args: readonly string[];
  asServerUser?: boolean;
  parse?: (result: CommandResult) => Value;
}

/** Administrators' programs are not in every user's PATH (Debian leaves sbin out). */
const ADMINISTRATOR_FOLDERS = ['/usr/sbin/', '/sbin/'];

const markOf = (root: string): string => `storage ${root}`;

/**
 * Ends the tools that a killed engine left running on the store: a copy that goes on could write into a dataset which
 * is made again under the same id.
 */
export async function endLeftTools(machine: Machine, root: string): Promise<void> {
  const { processes } = machine;
  for (const left of await processes.findMarked(markOf(root))) {
    await processes.signal(left, 'SIGKILL');
    while ((await processes.identify(left.pid))?.startedAt === left.startedAt) await delay(2);
  }
}

/**
 * Runs a tool on the store at `root`. Errors: storage_full, storage_failed with the tool's last words,
 * programs_missing, or the reason of the abort.
 */
export async function runTool<Value>(
  machine: Machine,
  root: string,
  tool: Tool<Value>,
  options: RunOptions = {},
): Promise<Value> {
  const parse = (result: CommandResult): Value => {
    if (result.code === 0) return (tool.parse ?? (() => undefined as Value))(result);
    throw toolFailure(root, tool, result);
  };
  const folders = tool.program.includes('/') ? [''] : ['', ...ADMINISTRATOR_FOLDERS];
  let missing: unknown;
  for (const folder of folders) {
    try {
      return await machine.run(
        { ...tool, program: folder + tool.program, env: { LC_ALL: 'C' }, mark: markOf(root), parse },
        options,
      );
    } catch (error) {
      if (!isFailure(error, 'programs_missing')) throw error;
      missing ??= error;
    }
  }
  throw missing;
}

function toolFailure(root: string, tool: Tool<unknown>, result: CommandResult): Error {
  const words = result.stderr.trim().split('\n').slice(-3).join('; ');
  if (saysFullDisk(result.stderr)) {
    return fail('storage_full', { storage: root, freeBytes: null }, { cause: new Error(words) });
  }
  const ending = result.signal === null ? `code ${String(result.code)}` : result.signal;
  const what = [tool.program, ...tool.args.filter((word) => !word.startsWith('-')).slice(0, 2)].join(' ');
  return fail('storage_failed', { storage: root, problem: words || `${what} ended with ${ending}` });
}

/** The error code of the operating system behind an error, through its causes. */
export function systemCode(error: unknown): string | undefined {
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    if ('syscall' in current && 'code' in current && typeof current.code === 'string') return current.code;
  }
  return undefined;
}
